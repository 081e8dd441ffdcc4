"use strict";

/** The loudspeaker: an answer's sound, and how much of it was really heard. */
class Player {
  static RATE_HZ = 24_000; // as the service speaks
  static LEAD_S = 0.06; // between what has come and what sounds, so that a late piece leaves no hole

  #context = new AudioContext({ sampleRate: Player.RATE_HZ });
  #out = new GainNode(this.#context);
  #level = new Level(this.#out);
  #pieces = []; // {source, begin, seconds}: what sounds, or is to
  #next = 0; // when what comes next begins, by the context's clock
  #heardS = 0; // of pieces that are over
  soundS = 0; // of the whole answer, as far as it has come

  constructor() {
    this.#out.connect(this.#context.destination);
  }

  wake() {
    this.#context.resume();
  }

  /** Another answer begins. */
  begin() {
    this.stop();
    this.soundS = 0;
  }

  /** More of it: 16-bit samples. */
  add(bytes) {
    const samples = Float32Array.from(new Int16Array(bytes.buffer), (sample) => sample / 32768);
    if (!samples.length) return;
    const sound = new AudioBuffer({ length: samples.length, sampleRate: Player.RATE_HZ });
    sound.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(this.#context, { buffer: sound });
    source.connect(this.#out);
    const begin = Math.max(this.#next, this.#context.currentTime + Player.LEAD_S);
    source.start(begin);
    this.#pieces.push({ source, begin, seconds: sound.duration });
    this.#next = begin + sound.duration;
    this.soundS += sound.duration;
  }

  /** Seconds of the answer that have left the loudspeaker. */
  get heardS() {
    const now = this.#context.currentTime - (this.#context.outputLatency || 0);
    while (this.#pieces.length && this.#pieces[0].begin + this.#pieces[0].seconds <= now)
      this.#heardS += this.#pieces.shift().seconds;
    const [first] = this.#pieces;
    return this.#heardS + (first ? Math.max(0, now - first.begin) : 0);
  }

  /** Nothing waits to be heard. */
  get isDry() {
    return this.heardS >= this.soundS;
  }

  /** Be silent at once; the seconds that were heard. */
  stop() {
    const heard = this.heardS;
    for (const { source } of this.#pieces) source.stop();
    [this.#pieces, this.#next, this.#heardS] = [[], 0, 0];
    return heard;
  }

  level() {
    return this.#level.now();
  }

  close() {
    this.stop();
    if (this.#context.state !== "closed") this.#context.close();
  }
}
