// Elements, and sounds as audio buffers.

function node(tag, settings = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

let context = null;
const decoded = new Map();

function audioContext() {
  context ??= new AudioContext({ latencyHint: "interactive" });
  context.resume();
  return context;
}

// The audio buffer of a data: URL. The few that were used last are kept.
async function bufferOf(url) {
  if (!decoded.has(url)) {
    const bytes = Uint8Array.from(atob(url.slice(url.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));
    decoded.set(url, audioContext().decodeAudioData(bytes.buffer));
    if (decoded.size > 80) decoded.delete(decoded.keys().next().value);
  }
  return decoded.get(url);
}

function save(name, content, type) {
  const link = node("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
