"use strict";

/** An answer while it sounds: its words as they were written, and which of them were heard. */
class Answer {
  static CHARACTERS_PER_S = 15; // of one whose length is not known yet, as the service reckons it
  text = "";
  cut = null; // why it is not whole, though all of it came
  isWhole = false; // all of it has come
  #told = ""; // to a screen reader
  #player;

  /** `turn`: of the conversation; `response` and `item`: as the service names them. */
  constructor(turn, response, item, player) {
    Object.assign(this, { turn, response, item });
    this.#player = player;
    player.begin();
  }

  /** {firm, open}: whole words that were heard, and the rest. */
  get caption() {
    const { heardS, soundS } = this.#player;
    const rate = this.isWhole && soundS ? this.text.length / soundS : Answer.CHARACTERS_PER_S;
    const at = Math.min(this.text.length, Math.round(heardS * rate));
    const firm = at === this.text.length ? this.text : this.text.slice(0, at).replace(/\S+$/, "");
    return { firm, open: this.text.slice(firm.length) };
  }

  /** Nothing of it is still to be heard. */
  get isOver() {
    return this.isWhole && this.#player.isDry;
  }

  /** Tell a screen reader each sentence that was heard, and at its end the rest. */
  tell() {
    const heard = this.isOver ? this.text : (/^[^]*[.!?](?=\s)/.exec(this.caption.firm)?.[0] ?? "");
    const more = heard.slice(this.#told.length).trim();
    if (more) announce(more);
    if (heard.length > this.#told.length) this.#told = heard;
  }
}
