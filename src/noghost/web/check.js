"use strict";

/** What a receipt is worth as the one of a turn: it holds, it is of this instance, and it is tied to these words. */
const Check = (() => {
  const ANSWER_LABEL = Bytes.encode("noghost answer v1"); // spec/receipt-v1.md
  const seen = new Map(); // log -> the newest receipt of it that was checked

  /** A browser gives a page cryptography only where it came over TLS or from this machine. */
  const isPossible = () => globalThis.isSecureContext && Boolean(globalThis.crypto?.subtle);

  /** What ties the receipt to this request, and to its answer: spec/receipt-v1.md, "commitment". */
  async function headersFor(turn) {
    if (!turn.key) return {};
    const { question, answerKey } = await tiesOf(turn);
    return { "noghost-commitment": question, "noghost-answer-key": Bytes.toHex(answerKey) };
  }

  async function tiesOf(turn) {
    const answerKey = await Bytes.hmac(turn.key, ANSWER_LABEL);
    const question = Bytes.toHex(await Bytes.hmac(turn.key, bodyOf(turn)));
    const answer = Bytes.toHex(await Bytes.hmac(answerKey, Bytes.encode(turn.text)));
    return { question, answer, answerKey };
  }

  /** {state, text, why, verified, tied}: what a receipt is worth as the one of this turn. */
  async function check(text, turn) {
    if (!isPossible())
      return { state: "unchecked", text, why: "Over plain HTTP a browser lets no page compute signatures." };
    try {
      const verified = await Receipt.verify(text, (log) => seen.get(log));
      const tied = await tiesThatHold(verified, turn);
      const newest = seen.get(verified.checkpoint.origin)?.checkpoint.size ?? -1n;
      if (verified.checkpoint.size > newest) seen.set(verified.checkpoint.origin, verified);
      return { state: "checked", text, verified, tied };
    } catch (error) {
      if (!(error instanceof Receipt.ReceiptError))
        return { state: "unchecked", text, why: `This browser cannot: ${error.message}` };
      return { state: "wrong", text, why: error.message };
    }
  }

  /** What of the turn the receipt is tied to; raises ReceiptError where it is tied to something else. */
  async function tiesThatHold({ id, opened, ended }, turn) {
    const need = (good, why) => {
      if (!good) throw new Receipt.ReceiptError(why);
    };
    need(id === turn.life.instance, "it is of another instance");
    if (!turn.key || !turn.options) return [];
    const { question, answer } = await tiesOf(turn);
    need(opened.commitment === question, "it is not of this question");
    // Of an answer that broke off, less may have arrived than was sent.
    const isWhole = ended?.outcome === "answered" && ended.commitment !== "-";
    need(!isWhole || ended.commitment === answer, "it is not of this answer");
    return isWhole ? ["this question", "this answer"] : ["this question"];
  }

  return { isPossible, headersFor, check };
})();
