"use strict";

/**
 * One instance's life as its caller can know it: what this page saw, what the instance told at its end, and what its
 * receipt says. Times are milliseconds from the knock.
 */
class Life {
  #knock = performance.now();

  constructor() {
    this.instance = null;
    this.firstMs = null; // as seen from here
    this.lastMs = null;
    this.facts = {}; // as the instance told
    this.ending = null; // null while it lives; answered, stopped, broken, refused
    this.goneMs = null; // when its receipt with an end was here
    this.receipt = { state: "none" }; // none, pending, checked, wrong, missing, unchecked
  }

  /** One that a file tells of: it is gone. */
  static past(instance) {
    return Object.assign(new Life(), { instance, ending: "answered" });
  }

  now() {
    return performance.now() - this.#knock;
  }

  /** Something of the answer has come. */
  sawText() {
    this.firstMs ??= this.now();
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
      this.#step("born", isBorn, facts.birth_ms, true),
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

  /** Wiped, verified, gone: nobody but the receipt can tell. */
  #end() {
    const ended = this.receipt.verified?.ended;
    if (!ended || this.receipt.state !== "checked") {
      const state = { pending: "now", none: this.ending ? "unknown" : "ahead" }[this.receipt.state] ?? "unknown";
      return ["wiped", "verified", "gone"].map((name, index) => ({
        name,
        note: "",
        state: index && state === "now" ? "ahead" : state,
      }));
    }
    const isWiped = ended.wipe === "verified" || ended.wipe === "unverified";
    const isVerified = ended.wipe === "verified";
    const pages = (bucket) => `${Entry.range(bucket)} pages`;
    return [
      { name: "wiped", note: isWiped ? pages(ended.wiped_pages) : ended.wipe, state: isWiped ? "done" : "wrong" },
      { name: "verified", note: isVerified ? "read back as zero" : ended.wipe, state: isVerified ? "done" : "wrong" },
      { name: "gone", note: this.goneMs ? `${duration(this.goneMs - this.lastMs)} later at most` : "", state: "done" },
    ];
  }
}

const LAST = { stopped: "stopped by you", broken: "broken off", refused: "no answer" };
