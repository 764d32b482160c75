"""What the album holds. In the cloud this would be a table."""

PHOTOS = [
    {"photo": "dawn.png", "title": "Dawn", "tags": ["sky", "sea"]},
    {"photo": "forest.png", "title": "Forest", "tags": ["green"]},
    {"photo": "night.png", "title": "Night", "tags": ["sky"]},
]
