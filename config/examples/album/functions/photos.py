"""The list, and its likes: they live as long as this worker."""
import collections
import json

from catalog import PHOTOS

likes = collections.Counter()


def answer(status, value):
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(value)}


async def handler(event, context):
    if event["httpMethod"] == "POST":
        photo = event["pathParams"]["photo"]
        if photo not in [one["photo"] for one in PHOTOS]:
            return answer(404, {"message": "there is no photo " + photo})
        likes[photo] += 1
        return answer(200, {"photo": photo, "likes": likes[photo]})
    tag = event["params"]["tag"]
    return answer(200, [{**one, "likes": likes[one["photo"]]} for one in PHOTOS if not tag or tag in one["tags"]])
