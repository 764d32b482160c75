// Two views, / and /bought, of one list that the API keeps.
const bought = location.pathname === '/bought';
const list = document.querySelector('ul');

async function call(method, path, body) {
  const response = await fetch(`/api/${path}`, {
    method, headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error((await response.json()).message);
  return response.json();
}

async function show() {
  const items = (await call('GET', 'items')).filter((item) => item.bought === bought);
  document.querySelector('h1').textContent = bought ? 'Bought' : 'To buy';
  list.replaceChildren(...items.map((item) => {
    const line = document.createElement('li');
    line.textContent = item.text;
    line.onclick = () => call('PATCH', `items/${item.id}`, { bought: !bought }).then(show);
    return line;
  }));
}

document.querySelector('form').onsubmit = async (event) => {
  event.preventDefault();
  await call('POST', 'items', { text: event.target.text.value });
  event.target.reset();
  await show();
};
await show();
