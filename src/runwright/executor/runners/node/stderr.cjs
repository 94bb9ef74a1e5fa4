'use strict';
// Text for the process's own output, which belongs to no request.

const { writeSync } = require('node:fs'); // user code may replace it there

function toStderr(text) {
  try {
    writeSync(2, text);
  } catch {
    // Full or closed; output that belongs to nobody may be lost.
  }
}

module.exports = { toStderr };
