// A bot that answers in the response to the webhook, so that it needs no token and no library.

/** How often each chat has asked for the time; lives as long as this worker. */
const asked = new Map();

const commands = {
  '/start': (message) => `Hello, ${message.from.first_name}! Send me a text, or /help.`,
  '/help': () => ['/start - say hello', '/time - what time is it', '/help - this list'].join('\n'),
  '/time': (message) => {
    const count = (asked.get(message.chat.id) ?? 0) + 1;
    asked.set(message.chat.id, count);
    return `It is ${new Date().toISOString().slice(11, 16)} UTC. You asked ${count} time${count === 1 ? '' : 's'}.`;
  },
};

function reply(message) {
  const [word] = message.text.split(/[\s@]/, 1);
  if (word.startsWith('/')) {
    const command = commands[word];
    return command ? command(message) : `I do not know ${word}. Try /help.`;
  }
  return [...message.text].reverse().join('');
}

module.exports.handler = async function (event) {
  // Telegram repeats the secret of setWebhook in this header: nobody else can speak for it.
  const secret = process.env.WEBHOOK_SECRET;
  if (secret && event.headers['X-Telegram-Bot-Api-Secret-Token'] !== secret) {
    return { statusCode: 401, body: 'wrong secret token' };
  }
  const update = JSON.parse(event.body);
  const message = update.message ?? update.edited_message;
  if (!message?.text) {
    return { statusCode: 200, body: '' };
  }
  console.log(`update ${update.update_id}: ${message.text.length} characters from chat ${message.chat.id}`);
  return {
    statusCode: 200,
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ method: 'sendMessage', chat_id: message.chat.id, text: reply(message) }),
  };
};
