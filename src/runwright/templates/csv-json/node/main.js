// Rows of RFC 4180 text: quoted fields may hold the delimiter, line breaks and doubled quotes.
function parse(text, delimiter) {
  const rows = [];
  let row = [];
  let field = '';
  let isQuoted = false;
  const endRow = () => {
    row.push(field);
    if (row.length > 1 || field !== '') rows.push(row);
    row = [];
    field = '';
  };
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (isQuoted) {
      if (char !== '"') field += char;
      else if (text[at + 1] === '"') field += text[++at];
      else isQuoted = false;
    } else if (char === '"' && field === '') isQuoted = true;
    else if (char === delimiter) {
      row.push(field);
      field = '';
    } else if (char === '\n' || char === '\r') {
      if (char === '\r' && text[at + 1] === '\n') at++;
      endRow();
    } else field += char;
  }
  if (isQuoted) throw new Error('A quoted field is not closed.');
  endRow();
  return rows;
}

function typed(field) {
  if (/^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(field)) return Number(field);
  if (field === 'true' || field === 'false') return field === 'true';
  return field === '' ? null : field;
}

function toJson(text, delimiter, hasTypes) {
  const [names = [], ...rows] = parse(text.replace(/^\uFEFF/, ''), delimiter);
  if (new Set(names).size !== names.length) throw new Error('Two columns have the same name.');
  return rows.map((row, index) => {
    if (row.length > names.length) throw new Error(`Row ${index + 1} has more fields than names.`);
    return Object.fromEntries(
      names.map((name, at) => [name, hasTypes ? typed(row[at] ?? '') : (row[at] ?? '')]),
    );
  });
}

function toCsv(items, delimiter) {
  if (!Array.isArray(items) || !items.every((item) => item && item.constructor === Object)) {
    throw new Error('Send a list of objects.');
  }
  const names = [...new Set(items.flatMap((item) => Object.keys(item)))];
  const quoted = (value) => {
    const isText = typeof value === 'string';
    const text = isText ? value : value == null ? '' : JSON.stringify(value);
    return [delimiter, '"', '\n', '\r'].some((char) => text.includes(char))
      ? `"${text.replaceAll('"', '""')}"`
      : text;
  };
  const rows = [names, ...items.map((item) => names.map((name) => item[name]))];
  return rows.map((row) => `${row.map(quoted).join(delimiter)}\r\n`).join('');
}

export default async ({ req, res, log }) => {
  const query = new URLSearchParams(req.queryString);
  const delimiter = query.get('delimiter') ?? ',';
  const isJson = (req.headers['content-type'] ?? '').startsWith('application/json');
  try {
    if ([...delimiter].length !== 1 || '"\r\n'.includes(delimiter)) {
      throw new Error('delimiter is one character.');
    }
    if (isJson) {
      const csv = toCsv(JSON.parse(req.bodyText), delimiter);
      return res.text(csv, 200, { 'content-type': 'text/csv; charset=utf-8' });
    }
    const items = toJson(req.bodyText, delimiter, query.get('types') === '1');
    log(`${items.length} rows`);
    return res.json(items);
  } catch (failure) {
    const message = failure instanceof SyntaxError ? 'The body is not JSON.' : failure.message;
    return res.json({ error: message }, 400);
  }
};
