"use strict";

/**
 * One instance's life as its caller can know it: what this page saw, what the instance told at its end, and what its
 * receipt says. Times are milliseconds from the knock.
 */
class Life {
  #knock = performance.now();

  constructor() {
    this.instance = null;
    this.isSpoken = false; // a session of voice/: its instance has no name here, and its steps are not told
    this.isMet = false; // it has answered all the same
    this.isSealed = null; // whether its question has been sealed to it; null where none was to be
    this.firstMs = null; // as seen from here
    this.lastMs = null;
    this.facts = {}; // as the instance told
    this.ending = null; // null while it lives; answered, stopped, broken, refused
    this.goneMs = null; // when its receipt with an end was here
    this.key = null; // by which the service tells how it ended, to who has it; of one that a file tells of, nobody has
    this.fate = null; // as the service told then
    this.fateless = null; // why it did not
    this.receipt = { state: "none" }; // none, pending, checked, wrong, missing, unchecked
  }

  /** One that a file tells of: it is gone. */
  static past(instance) {
    return Object.assign(new Life(), { instance, ending: "answered" });
  }

  get isThere() {
    return this.instance !== null || this.isMet;
  }

  now() {
    return performance.now() - this.#knock;
  }

  /** Something of the answer has come. */
  sawText() {
    this.firstMs ??= this.now();
  }

  /** The header that lets its end be told. */
  header() {
    this.key ??= Bytes.toHex(crypto.getRandomValues(new Uint8Array(32)));
    return { "noghost-life-key": this.key };
  }

  /** How it ended, as the service tells; nothing of it is signed. */
  learn(fate) {
    const isOurs = fate.instance === this.instance;
    [this.fate, this.fateless] = isOurs ? [fate, null] : [null, "The service told of another instance."];
  }

  end(how) {
    this.lastMs = this.now();
    this.ending = how;
  }

  /** Nobody has said yet how it ended. */
  get isUnaccounted() {
    return this.receipt.state === "missing" || (this.receipt.state === "checked" && !this.receipt.verified.ended);
  }

  get lastTokenMs() {
    const { first_token_ms: first, decode_ms: decode } = this.facts;
    return first === undefined ? this.lastMs : first + decode;
  }

  /** [{name, note, state}]: state is done, now, ahead, wrong or unknown. */
  steps() {
    const { facts, ending } = this;
    const isBorn = this.instance !== null || ending === "answered";
    return [
      { name: "knock", note: "0 ms", state: "done" },
      this.#step("born", isBorn, facts.birth_ms ?? this.fate?.born_ms, true),
      ...(this.isSealed === null ? [] : [this.#sealing()]),
      this.#step("first token", this.firstMs !== null, facts.first_token_ms ?? this.firstMs, isBorn),
      this.#step(LAST[ending] ?? "last token", ending !== null, this.lastTokenMs, this.firstMs !== null),
      ...this.#end(),
    ];
  }

  #step(name, isDone, ms, isNext) {
    const ahead = isNext && !this.ending ? "now" : this.ending ? "unknown" : "ahead";
    return {
      name,
      note: isDone && ms !== undefined && ms !== null ? duration(ms) : "",
      state: isDone ? "done" : ahead,
    };
  }

  #sealing() {
    if (this.isSealed) return { name: "sealed", note: "to its key alone", state: "done" };
    return { name: "sealed", note: "", state: this.ending ? "unknown" : "ahead" };
  }

  /** Wiped, verified, gone: that they came to be, the receipt tells; when, the service tells who has the key. */
  #end() {
    const ended = this.receipt.state === "checked" ? this.receipt.verified.ended : null;
    const isBelieved = this.fate && this.receipt.state !== "wrong";
    if (!ended && !isBelieved) return this.#unended();
    const { wipe } = ended ?? this.fate;
    const isVerified = wipe === "verified";
    const [wiped, verified, gone] = this.fate ? this.#told() : this.#signed(ended);
    const done = ended ? "done" : "told";
    return [
      this.#contradicts(ended) ?? step("wiped", isVerified || wipe === "unverified", done, wiped, wipe),
      step("verified", isVerified, done, verified, wipe),
      { name: "gone", note: gone, state: done },
    ];
  }

  #unended() {
    const state = { pending: "now", none: this.ending ? "unknown" : "ahead" }[this.receipt.state] ?? "unknown";
    return ["wiped", "verified", "gone"].map((name, index) => ({
      name,
      note: "",
      state: index && state === "now" ? "ahead" : state,
    }));
  }

  /** What to note of each, by the receipt alone. */
  #signed({ wiped_pages: pages }) {
    const gone = this.goneMs ? `${duration(this.goneMs - this.lastMs)} later at most` : "";
    return [`${Entry.range(pages)} pages`, "read back as zero", gone];
  }

  /** The same, with times. An untraced one has none but its end. */
  #told() {
    const { wiped_pages: pages, wiped_ms: wiped, verified_ms: verified, gone_ms: gone } = this.fate;
    if (wiped === null || verified === null) return ["", "", duration(gone)];
    return [
      `${duration(wiped)}, ${pages.toLocaleString("en")} pages`,
      `${duration(verified - wiped)} later, all zero`,
      `${duration(gone - verified)} later`,
    ];
  }

  /** The first of the steps where the service's word is not within what it signed. */
  #contradicts(ended) {
    if (!ended || !this.fate) return null;
    const bits = this.fate.wiped_pages.toString(2).length;
    const isWithin = Number(ended.wiped_pages) === (this.fate.wiped_pages ? bits : 0);
    return isWithin ? null : { name: "wiped", note: "told otherwise than signed", state: "wrong" };
  }
}

const step = (name, isGood, done, note, why) => ({ name, note: isGood ? note : why, state: isGood ? done : "wrong" });
const LAST = { stopped: "stopped by you", broken: "broken off", refused: "no answer" };
