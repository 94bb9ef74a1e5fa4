// What a case tried and what became of it; the judge outside reads it as JSON.
"use strict";

class Box {
  constructor(context, told) {
    this.context = context;
    this.told = told; // what the judge gave along
    this.refused = {};
    this.done = {}; // a breach, unless the judge expects it
    this.facts = {};
  }

  /** Try something forbidden; what comes back at all has succeeded. */
  async attempt(label, action) {
    try {
      this.done[label] = String(await action()).slice(0, 200);
    } catch (error) {
      this.refused[label] = String(error.code ?? error.message).slice(0, 200);
    }
  }

  answer() {
    return { refused: this.refused, done: this.done, facts: this.facts };
  }
}

module.exports = { Box };
