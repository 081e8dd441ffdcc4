"use strict";

/** Bytes as text, and the two digests that the page computes, all by the browser itself (WebCrypto). */
const Bytes = (() => {
  /** Canonical base64 (RFC 4648, section 4) to bytes; null for any other text. */
  function from64(text) {
    let binary;
    try {
      binary = atob(text);
    } catch {
      return null;
    }
    const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
    return to64(bytes) === text ? bytes : null;
  }

  function to64(bytes) {
    let binary = "";
    for (const byte of bytes) binary += String.fromCharCode(byte);
    return btoa(binary);
  }

  const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const encode = (text) => new TextEncoder().encode(text);

  /** Text of bytes that have to be UTF-8; raises TypeError. A byte order mark stays. */
  const decode = (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);

  function join(...parts) {
    const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  const isEqual = (a, b) => a.length === b.length && a.every((byte, index) => byte === b[index]);
  const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

  /** HMAC-SHA-256. */
  async function hmac(key, bytes) {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
    return new Uint8Array(await crypto.subtle.sign("HMAC", imported, bytes));
  }

  return { from64, to64, toHex, fromHex, encode, decode, join, isEqual, sha256, hmac };
})();
