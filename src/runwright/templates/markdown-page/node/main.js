import { readFile } from 'node:fs/promises';
import { render } from './markdown.js';

const PAGE = new URL('./page.md', import.meta.url);
const STYLE =
  'body{font:1.05rem/1.6 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}' +
  'pre{background:#f4f4f5;padding:1rem;overflow:auto}code{font-family:ui-monospace,monospace}' +
  'blockquote{border-left:4px solid #ddd;margin-left:0;padding-left:1rem}';

function page(text) {
  const { html, heading } = render(text);
  const title = render.escape(process.env.PAGE_TITLE || heading || 'Page');
  return (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    `<title>${title}</title><style>${STYLE}</style></head><body>\n${html}\n</body></html>\n`
  );
}

export default async ({ req, res }) => {
  if (!['GET', 'HEAD', 'POST'].includes(req.method)) {
    return res.text('Use GET to read the page, POST to try Markdown.\n', 405);
  }
  const text = req.method === 'POST' ? req.bodyText : await readFile(PAGE, 'utf-8');
  return res.text(page(text), 200, {
    'content-type': 'text/html; charset=utf-8',
    // Rendered text can hold no script; this keeps one out even if that were wrong.
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; img-src https:",
  });
};
