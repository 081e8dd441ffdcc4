"use strict";

/**
 * "Remember on this device": one record in localStorage, encrypted under a passphrase. Nothing is there before the user
 * asks for it, and nothing when it is switched off.
 *
 * PBKDF2-HMAC-SHA-256 with 600,000 rounds (OWASP's Password Storage Cheat Sheet), AES-256-GCM, a fresh IV each time.
 */
const Device = (() => {
  const NAME = "noghost";
  const ROUNDS = 600_000;
  let key = null; // not extractable
  let salt = null;
  let rounds = ROUNDS;
  let release = null; // of the lock that keeps other tabs away
  let released = null; // resolves once it is free
  let writing = Promise.resolve(); // one write after the other

  const isSet = () => localStorage.getItem(NAME) !== null;
  const isOn = () => key !== null;

  async function keyOf(passphrase, salt, rounds) {
    const base = await crypto.subtle.importKey("raw", Bytes.encode(passphrase), "PBKDF2", false, ["deriveKey"]);
    const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: rounds };
    return crypto.subtle.deriveKey(how, base, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  }

  /** Whether this tab may write: another one that remembers would be written over. */
  function lock() {
    return new Promise((resolve) => {
      released = navigator.locks.request(NAME, { ifAvailable: true }, (held) => {
        resolve(held !== null);
        return held && new Promise((done) => (release = done));
      });
    });
  }

  /** Begin to remember. */
  async function begin(passphrase) {
    [salt, rounds] = [crypto.getRandomValues(new Uint8Array(16)), ROUNDS];
    key = await keyOf(passphrase, salt, rounds);
  }

  /** What was remembered; null if the passphrase is not the one. */
  async function open(passphrase) {
    const record = JSON.parse(localStorage.getItem(NAME));
    const own = Bytes.from64(record.salt);
    const candidate = await keyOf(passphrase, own, record.rounds);
    try {
      const how = { name: "AES-GCM", iv: Bytes.from64(record.iv) };
      const plain = await crypto.subtle.decrypt(how, candidate, Bytes.from64(record.box));
      [key, salt, rounds] = [candidate, own, record.rounds];
      return JSON.parse(Bytes.decode(new Uint8Array(plain)));
    } catch {
      return null;
    }
  }

  /** Keep this in the place of what was kept. */
  function keep(content) {
    writing = writing.then(async () => {
      if (!key) return;
      const iv = crypto.getRandomValues(new Uint8Array(12));
      const box = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, Bytes.encode(JSON.stringify(content)));
      if (!key) return; // switched off meanwhile
      const [salted, ived, boxed] = [salt, iv, new Uint8Array(box)].map(Bytes.to64);
      localStorage.setItem(NAME, JSON.stringify({ rounds, salt: salted, iv: ived, box: boxed }));
    });
    return writing;
  }

  function forget() {
    [key, salt] = [null, null];
    localStorage.removeItem(NAME);
    unlock();
  }

  async function unlock() {
    release?.();
    release = null;
    await released;
  }

  return { isSet, isOn, lock, unlock, begin, open, keep, forget };
})();
