"use strict";

/**
 * The microphone's sound as the service takes it: one channel, 24 kHz, 16 bits. It runs in the thread of the sound, as
 * the text of this function alone, and so uses nothing from outside of it (microphone.js).
 */
function captureWorklet() {
  const RATE_HZ = 24_000;
  const PIECE = 960; // samples: 40 ms
  const CROSSINGS = 16; // of the filter's sine, on each side
  const PASSED = 0.92; // of what the lower of the two rates can carry: the rest is the filter's slope

  /** By a windowed sinc, computed once for each of the places that a new sample can have between two old ones. */
  class Resampler {
    #waiting = new Float32Array(0);
    #place = 0; // of the next sample, in steps of 1 / phases of an old one

    constructor(rate) {
      const common = divisor(rate, RATE_HZ);
      [this.phases, this.step] = [RATE_HZ / common, rate / common];
      const cutoff = PASSED * Math.min(1, RATE_HZ / rate);
      this.reach = Math.ceil(CROSSINGS / cutoff);
      this.filters = Array.from({ length: this.phases }, (_, phase) => this.#filter(phase / this.phases, cutoff));
    }

    #filter(offset, cutoff) {
      const taps = Float32Array.from({ length: 2 * this.reach }, (_, tap) => {
        const distance = tap - this.reach + 1 - offset;
        const turn = Math.PI * cutoff * distance;
        const hann = 0.5 + 0.5 * Math.cos((Math.PI * distance) / this.reach);
        return (turn ? Math.sin(turn) / turn : 1) * hann;
      });
      const sum = taps.reduce((all, tap) => all + tap, 0);
      return taps.map((tap) => tap / sum);
    }

    /** The new samples that are known with these, from -1 to 1. */
    *take(samples) {
      const held = new Float32Array(this.#waiting.length + samples.length);
      held.set(this.#waiting);
      held.set(samples, this.#waiting.length);
      let at = Math.floor(this.#place / this.phases);
      while (at + 2 * this.reach <= held.length) {
        const filter = this.filters[this.#place % this.phases];
        let sample = 0;
        for (let tap = 0; tap < filter.length; tap++) sample += filter[tap] * held[at + tap];
        yield sample;
        this.#place += this.step;
        at = Math.floor(this.#place / this.phases);
      }
      const done = Math.min(at, held.length);
      this.#waiting = held.slice(done);
      this.#place -= done * this.phases;
    }
  }

  class Capture extends AudioWorkletProcessor {
    #resampler = new Resampler(sampleRate);
    #piece = new Int16Array(PIECE);
    #filled = 0;

    process([channels]) {
      if (channels.length) for (const sample of this.#resampler.take(channels[0])) this.#put(sample);
      return true;
    }

    #put(sample) {
      this.#piece[this.#filled++] = Math.round(32767 * Math.max(-1, Math.min(1, sample)));
      if (this.#filled < PIECE) return;
      this.port.postMessage(this.#piece.buffer, [this.#piece.buffer]);
      [this.#piece, this.#filled] = [new Int16Array(PIECE), 0];
    }
  }

  function divisor(one, other) {
    return other ? divisor(other, one % other) : one;
  }

  registerProcessor("capture", Capture);
}
