"use strict";

/** HPKE (RFC 9180), the sender's side: base mode, single shot, X25519, HKDF-SHA256, AES-256-GCM; by WebCrypto. */
const Hpke = (() => {
  const VERSION = Bytes.encode("HPKE-v1");
  const KEM = Bytes.join(Bytes.encode("KEM"), [0, 0x20]); // DHKEM(X25519, HKDF-SHA256)
  const SUITE = Bytes.join(Bytes.encode("HPKE"), [0, 0x20, 0, 1, 0, 2]);
  const NOTHING = new Uint8Array();
  const NO_SALT = new Uint8Array(32); // to HMAC the same as an empty key, which WebCrypto does not take

  /** LabeledExtract, section 4. */
  const extract = (suite, salt, label, material) =>
    Bytes.hmac(salt, Bytes.join(VERSION, suite, Bytes.encode(label), material));

  /** LabeledExpand, section 4, of at most one block: 32 bytes. */
  async function expand(suite, key, label, info, length) {
    const labelled = Bytes.join([0, length], VERSION, suite, Bytes.encode(label), info, [1]);
    return (await Bytes.hmac(key, labelled)).slice(0, length);
  }

  const makePair = () => crypto.subtle.generateKey("X25519", false, ["deriveBits"]);

  /** Encap, section 4.1: {enc, shared}. Raises a DOMException for a point of low order. */
  async function encapsulate(recipient, { privateKey, publicKey }) {
    const their = await crypto.subtle.importKey("raw", recipient, "X25519", false, []);
    const point = new Uint8Array(await crypto.subtle.deriveBits({ name: "X25519", public: their }, privateKey, 256));
    const enc = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
    const secret = await extract(KEM, NO_SALT, "eae_prk", point);
    return { enc, shared: await expand(KEM, secret, "shared_secret", Bytes.join(enc, recipient), 32) };
  }

  /** The encapsulated key and the ciphertext. `recipient`: 32 bytes of X25519; `pair`: of this one message. */
  async function seal(plain, recipient, info, pair) {
    const { enc, shared } = await encapsulate(recipient, pair);
    const hashes = [
      await extract(SUITE, NO_SALT, "psk_id_hash", NOTHING),
      await extract(SUITE, NO_SALT, "info_hash", info),
    ];
    const context = Bytes.join([0], ...hashes); // KeySchedule, section 5.1; 0: base mode
    const secret = await extract(SUITE, shared, "secret", NOTHING);
    const raw = await expand(SUITE, secret, "key", context, 32);
    const iv = await expand(SUITE, secret, "base_nonce", context, 12);
    const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt"]);
    return Bytes.join(enc, new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, plain)));
  }

  return { makePair, seal };
})();
