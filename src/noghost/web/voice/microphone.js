"use strict";

/** Why nothing can be heard, in words for whoever wanted to speak. */
class MicrophoneError extends Error {}

/** The microphone, open from `open` to `close`. What it hears goes to `onSound` in pieces, and is kept nowhere. */
class Microphone {
  #context = null;
  #stream = null;
  #level = null;
  #isClosed = false;
  #isMuted = false;

  /** Why this page can have none, or null. */
  static whyNot() {
    if (!globalThis.isSecureContext) return "Over plain HTTP a browser gives a page no microphone: use TLS.";
    if (!navigator.mediaDevices?.getUserMedia || !globalThis.AudioWorkletNode) return "This browser cannot record.";
    return null;
  }

  /** `onSound(buffer)`: 40 ms, 24 kHz, 16 bits. `onLost()`: the device has gone. Raises MicrophoneError. */
  async open(onSound, onLost) {
    const how = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: how });
      this.#context = new AudioContext();
      await this.#context.audioWorklet.addModule(Microphone.#script());
    } catch (error) {
      this.close();
      throw new MicrophoneError(REASONS[error.name] ?? `The microphone cannot be used: ${error.message}`);
    }
    if (this.#isClosed) return this.close(); // meanwhile
    const [track] = this.#stream.getAudioTracks();
    track.addEventListener("ended", onLost);
    this.isMuted = this.#isMuted;
    const source = this.#context.createMediaStreamSource(this.#stream);
    const one = { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" };
    const capture = new AudioWorkletNode(this.#context, "capture", one);
    capture.port.onmessage = ({ data }) => this.#isClosed || onSound(data);
    source.connect(capture);
    this.#level = new Level(source);
  }

  /** The text of the worklet, as the address that `addModule` wants: the page makes it itself, and asks nobody. */
  static #script() {
    Microphone.script ??= URL.createObjectURL(new Blob([`(${captureWorklet})();`], { type: "text/javascript" }));
    return Microphone.script;
  }

  /** Muted, it hears silence: the browser gives nothing else out. */
  set isMuted(isMuted) {
    this.#isMuted = isMuted;
    for (const track of this.#stream?.getAudioTracks() ?? []) track.enabled = !isMuted;
  }

  wake() {
    this.#context?.resume();
  }

  level() {
    return this.#level?.now() ?? 0;
  }

  close() {
    this.#isClosed = true;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    if (this.#context?.state !== "closed") this.#context?.close();
  }
}

const REASONS = {
  NotFoundError: "There is no microphone here.",
  NotAllowedError: "The microphone is not allowed here. Allow it in the browser, beside this page's address.",
  NotReadableError: "The microphone cannot be opened: another program may have it.",
};
