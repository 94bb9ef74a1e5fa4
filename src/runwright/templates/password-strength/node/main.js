import { randomInt } from 'node:crypto';

const LETTERS = 'abcdefghijkmnopqrstuvwxyz'; // without l
const ALPHABET = `${LETTERS}ABCDEFGHJKLMNPQRSTUVWXYZ23456789-_.!`; // nothing that looks alike
const COMMON = new Set(
  (
    '123456 123456789 12345678 password qwerty 111111 12345 123123 1234567890 abc123 iloveyou ' +
    'admin welcome monkey dragon letmein football baseball master sunshine princess login ' +
    'passw0rd password1 qwerty123 qwertyuiop superman trustno1 starwars whatever freedom secret'
  ).split(' '),
);
const KINDS = [
  [/[a-z]/, 26],
  [/[A-Z]/, 26],
  [/[0-9]/, 10],
  [/[^a-zA-Z0-9]/, 33],
];
const LEAST_BITS = [28, 40, 60, 80]; // for the scores 1 to 4

// Neighbours in the alphabet, or repeated, add nothing that has to be guessed.
const isStep = (a, b) => Math.abs(a.codePointAt(0) - b.codePointAt(0)) <= 1;

function rate(password) {
  const chars = [...password];
  const warnings = [];
  const size = KINDS.reduce((sum, [kind, count]) => sum + (kind.test(password) ? count : 0), 0);
  const counted = chars.filter((char, at) => at === 0 || !isStep(char, chars[at - 1])).length;
  let bits = counted * Math.log2(Math.max(size, 1));
  if (chars.length < 8) warnings.push('It is shorter than 8 characters.');
  if (counted < chars.length / 2) warnings.push('Most of it is a sequence or a repetition.');
  if (COMMON.has(password.toLowerCase())) {
    bits = 0;
    warnings.push('It is among the most common passwords.');
  }
  const score = LEAST_BITS.filter((least) => bits >= least).length;
  return { score, bits: Math.floor(bits), warnings };
}

const generate = (length) =>
  Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');

export default async ({ req, res }) => {
  if (req.method === 'GET' && req.path === '/generate') {
    const length = Number(req.query.length ?? 20);
    if (!Number.isInteger(length) || length < 8 || length > 128) {
      return res.json({ error: 'length goes from 8 to 128.' }, 400);
    }
    return res.json({ password: generate(length) }, 200, { 'cache-control': 'no-store' });
  }
  let body;
  try {
    body = req.bodyJson;
  } catch {
    body = null;
  }
  if (typeof body?.password !== 'string' || body.password.length > 1024) {
    return res.json({ error: 'Send {"password": "..."} of at most 1024 characters.' }, 400);
  }
  return res.json(rate(body.password));
};
