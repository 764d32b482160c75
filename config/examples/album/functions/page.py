"""The album's page."""
import html

from catalog import PHOTOS

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Photo album</title>
<style>figure { display: inline-block; margin: 1rem; font-family: sans-serif }</style>
<h1>Photo album</h1>
{figures}
<script>
document.addEventListener('click', async (event) => {
  if (event.target.tagName !== 'BUTTON') return;
  const answer = await fetch(`/api/photos/${event.target.dataset.photo}/likes`, {method: 'POST'});
  event.target.textContent = `♥ ${(await answer.json()).likes}`;
});
</script>
</html>
"""

FIGURE = """<figure><img src="/photos/{photo}" alt="{title}" width="320" height="200">
<figcaption>{title} <button data-photo="{photo}">♥</button></figcaption></figure>"""


def handler(event, context):
    figures = "\n".join(FIGURE.replace("{photo}", html.escape(one["photo"])).replace("{title}", html.escape(one["title"]))
                        for one in PHOTOS)
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "text/html; charset=utf-8"},
        "body": PAGE.replace("{figures}", figures),
    }
