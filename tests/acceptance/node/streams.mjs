// A page, or a program, that listens to a function's events and talks to it over a web socket.

export async function streams(_sdk, { domain }) {
  return { events: await events(`${domain}/events`), ...(await conversation(`${domain}/socket`)) };
}

function events(url) {
  return new Promise((resolve, reject) => {
    const heard = [];
    const source = new EventSource(url);
    source.onmessage = ({ data, lastEventId }) => {
      heard.push([lastEventId, data]);
      if (heard.length < 2) return;
      source.close();
      resolve(heard);
    };
    source.onerror = () => reject(new Error('the event source failed'));
  });
}

export function conversation(url) {
  return new Promise((resolve, reject) => {
    const messages = [];
    const socket = new WebSocket(url, ['talk', 'chat']);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      socket.send('héllo');
      socket.send(new Uint8Array([0, 255]));
      socket.send('close');
    };
    socket.onmessage = ({ data }) => messages.push(typeof data === 'string' ? data : [...new Uint8Array(data)]);
    socket.onerror = () => reject(new Error('the web socket failed'));
    socket.onclose = ({ code, reason, wasClean }) =>
      resolve({ protocol: socket.protocol, messages, closed: [code, reason, wasClean] });
  });
}
