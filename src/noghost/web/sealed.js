"use strict";

/** What goes wrong with a sealed invocation. `code`: a word of spec/sealed-v1.md, "Errors", or what was wrong. */
class SealedError extends ServiceError {
  constructor(message, code, options = {}) {
    super(message, options);
    this.code = code;
  }
}

/** What caller and instance say in a sealed invocation, apart from what carries it: spec/sealed-v1.md. */
const Sealed = (() => {
  const OPENING_MOST_BYTES = 65_000;
  const { release, build, policy, weights } = Entry.OPENED;
  const STATEMENT = new RegExp(
    `^noghost-sealed/v1\\nid (?<id>[0-9a-f]{32})\\nkey (?<key>[0-9a-f]{64})\\n` +
      `release (?:${release})\\nbuild (?:${build})\\npolicy (?:${policy})\\n(?:weights (?:${weights})\\n)+$`,
  );
  const REQUEST = Bytes.encode("noghost-sealed/v1 request");
  const ANSWER = Bytes.encode("noghost-sealed/v1 answer");
  const SECRET_BYTES = 32;
  const [HEAD_BYTES, TAG_BYTES, RECORD_MOST_BYTES] = [5, 16, 65_557];

  // --- opening -------------------------------------------------------------------------------------------------

  /** {id, key, signer, vkey, bytes}: what is signed about the instance's key, by a service yet to be recognised. */
  async function parseOpening(bytes) {
    try {
      return await readOpening(bytes);
    } catch (error) {
      const why = error instanceof Receipt.ReceiptError ? error.message : "it is none";
      throw new SealedError(`The opening of the sealed invocation does not hold: ${why}. Nothing was sent.`, "opening");
    }
  }

  async function readOpening(bytes) {
    const need = Receipt.need;
    need(bytes.length <= OPENING_MOST_BYTES, "it is too long");
    const found = /^vkey ([^\n]+)\n([^]+)$/.exec(Bytes.decode(bytes));
    need(found, "it does not begin as one");
    const signer = await Receipt.parseKey(found[1]);
    const stated = STATEMENT.exec(await Receipt.openNote(found[2], signer));
    need(stated, "it has another form");
    return { id: stated.groups.id, key: Bytes.fromHex(stated.groups.key), signer, vkey: found[1], bytes };
  }

  // --- request -------------------------------------------------------------------------------------------------

  /** {message, records}: the request sealed to the key of this opening, and what opens its answer. */
  async function seal(request, opening, secret = null, pair = null) {
    secret ??= crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
    pair ??= await Hpke.makePair();
    const info = Bytes.join(REQUEST, await Bytes.sha256(opening.bytes));
    const message = await Hpke.seal(Bytes.join(secret, request), opening.key, info, pair).catch(() => {
      throw new SealedError("The opening of the sealed invocation has no usable key. Nothing was sent.", "not_opened");
    });
    return { message, records: new Records(await answerKey(secret, message)) };
  }

  /** Of the answer to exactly this message. */
  async function answerKey(secret, message) {
    const info = Bytes.join(ANSWER, await Bytes.sha256(message));
    const base = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
    const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info };
    return crypto.subtle.deriveKey(how, base, { name: "AES-GCM", length: 256 }, false, ["decrypt"]);
  }

  // --- answer --------------------------------------------------------------------------------------------------

  /** The records of one answer, each opened once the one before it was. `hasEnded`: the last one was here. */
  class Records {
    #key;
    #number = 0;
    hasEnded = false;

    constructor(key) {
      this.#key = key;
    }

    /** What is in the next record; raises SealedError for any other. */
    async open(record) {
      const isOne = record.length >= HEAD_BYTES + TAG_BYTES && record.length <= RECORD_MOST_BYTES;
      if (this.hasEnded || !isOne) throw wrong("it comes after the last, or is none", "record_malformed");
      const [head, flag] = [record.slice(0, HEAD_BYTES), record[HEAD_BYTES - 1]];
      const number = new DataView(head.buffer).getUint32(0);
      if (number !== this.#number) throw wrong(`number ${number} came, ${this.#number} was due`, "record_order");
      const plain = await this.#decrypt(head, record.slice(HEAD_BYTES));
      if (flag > 1) throw wrong("its flag is none", "record_malformed");
      this.#number += 1;
      this.hasEnded = flag === 1;
      return plain;
    }

    async #decrypt(head, box) {
      const iv = Bytes.join(new Uint8Array(8), head.slice(0, 4));
      try {
        const how = { name: "AES-GCM", iv, additionalData: head };
        return new Uint8Array(await crypto.subtle.decrypt(how, this.#key, box));
      } catch {
        throw wrong("it was changed, or is of another answer", "record_changed");
      }
    }

    /** No more will come. Raises SealedError unless the last one was here. */
    end() {
      if (!this.hasEnded) throw cut("The sealed answer was cut off before its end.", "truncated");
    }
  }

  const cut = (message, code) => new SealedError(message, code, { isBroken: true });
  const wrong = (why, code) =>
    cut(`A record of the sealed answer does not hold: ${why}. Somebody in between changed it.`, code);

  return { parseOpening, seal, cut };
})();
