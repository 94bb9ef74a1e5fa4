// The part of Markdown that pages are mostly made of. Everything else is shown as it stands,
// HTML included, so no text can bring a script along.

export const escape = (text) =>
  text.replace(
    /[&<>"]/g,
    (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char],
  );

const isSafe = (url) => /^(https?:|mailto:|\/|#|\.)/i.test(url);

function styled(text) {
  return text
    .replace(/\*\*(.+?)\*\*/g, '<strong>$1</strong>')
    .replace(/\*(.+?)\*/g, '<em>$1</em>');
}

// Code and links are taken out first: what they hold is no emphasis.
function inline(text) {
  return text
    .split(/(`[^`]+`|!?\[[^\]]*\]\([^()\s]+\))/)
    .map((part) => {
      const code = /^`(.+)`$/.exec(part);
      if (code) return `<code>${escape(code[1])}</code>`;
      const link = /^(!?)\[([^\]]*)\]\(([^()\s]+)\)$/.exec(part);
      if (!link || !isSafe(link[3])) return styled(escape(part));
      const [label, url] = [escape(link[2]), escape(link[3])];
      return link[1] ? `<img src="${url}" alt="${label}">` : `<a href="${url}">${styled(label)}</a>`;
    })
    .join('');
}

const ITEM = /^(?:[-*+]|(\d+)\.)\s+(.*)$/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;

export function render(text) {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  const blocks = [];
  let heading = '';
  let at = 0;
  const takeWhile = (test) => {
    const taken = [];
    while (at < lines.length && test(lines[at])) taken.push(lines[at++]);
    return taken;
  };
  while (at < lines.length) {
    const line = lines[at];
    const title = HEADING.exec(line);
    if (line.trim() === '') at++;
    else if (line.startsWith('```')) {
      at++;
      const code = takeWhile((next) => !next.startsWith('```'));
      at++;
      blocks.push(`<pre><code>${escape(code.join('\n'))}\n</code></pre>`);
    } else if (title) {
      at++;
      heading ||= title[2];
      blocks.push(`<h${title[1].length}>${inline(title[2])}</h${title[1].length}>`);
    } else if (/^(---+|\*\*\*+)\s*$/.test(line)) {
      at++;
      blocks.push('<hr>');
    } else if (line.startsWith('>')) {
      const quoted = takeWhile((next) => next.startsWith('>'));
      const inner = quoted.map((next) => next.replace(/^> ?/, '')).join('\n');
      blocks.push(`<blockquote>${render(inner).html}</blockquote>`);
    } else if (ITEM.test(line)) {
      const tag = ITEM.exec(line)[1] ? 'ol' : 'ul';
      const items = takeWhile((next) => ITEM.test(next));
      const made = items.map((next) => `<li>${inline(ITEM.exec(next)[2])}</li>`);
      blocks.push(`<${tag}>${made.join('')}</${tag}>`);
    } else {
      const starts = (next) => HEADING.test(next) || ITEM.test(next) || /^(```|>)/.test(next);
      const first = lines[at++];
      const rest = takeWhile((next) => next.trim() !== '' && !starts(next));
      const joined = [first, ...rest].map((next) => next.trim()).join('\n');
      blocks.push(`<p>${inline(joined)}</p>`);
    }
  }
  return { html: blocks.join('\n'), heading };
}

render.escape = escape;
