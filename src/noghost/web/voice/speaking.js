"use strict";

/**
 * One session, from the press that opens it until its last answer was heard: so long the microphone is open, and an
 * instance is there. The caller's sound goes out while the button is held (`isHeld`) or latched (`isLatched`).
 */
class Speaking {
  static TAIL_PIECES = 7; // of 40 ms, after a press: at least 250 ms, so that the last syllable is not cut
  static TICK_MS = 50;
  isHeld = false;
  isLatched = false;
  isGone = false; // the service has nothing more to say, and what it said still sounds
  #page;
  #onEnd;
  #life = Object.assign(new Life(), { isSpoken: true });
  #microphone = new Microphone();
  #player = new Player();
  #session;
  #turns;
  #timer;
  #phase = "listening";
  #isReady = false; // the microphone has been heard
  #isOver = false;
  #told = {}; // how the service was told to hear and to answer
  #captions; // the event that asked for them
  #isPressed = false; // and neither held nor tapped yet: what is said goes to `#early`
  #early = [];
  #tail = 0; // pieces that are still to be sent after a press
  #asking = null; // the turn in which the caller speaks
  #uncommitted = []; // turns whose item has no name yet, in their order
  #asked = new Map(); // item -> the caller's turn
  #owed = null; // the turn to be answered as soon as its words are known
  #isAwaited = false; // the service is to begin an answer
  #response = null; // {id, isWanted}: that the service is at
  #answer = null; // that sounds
  #cut = null; // {turn, item, response, ms, isHeard} of one that was interrupted, until the service knows
  #expires = Infinity;

  /** `onEnd(why)`: it is over; `why`: in words, null if all that was said was answered. */
  constructor(page, isMuted, onEnd) {
    [this.#page, this.#onEnd] = [page, onEnd];
    this.#turns = new SpokenTurns(page, this.#life);
    this.#microphone.isMuted = isMuted;
    this.#session = new Realtime(page.service.realtime(page.options().model), this.#handlers());
    this.#set({ isFree: false });
    this.#captions = this.#session.askForCaptions();
    this.#timer = setInterval(() => this.#tick(), Speaking.TICK_MS);
    page.room.enter(this.#life);
    this.#listen();
  }

  async #listen() {
    try {
      await this.#microphone.open(
        (sound) => this.#onSound(sound),
        () => this.#onLost(),
      );
    } catch (error) {
      if (!(error instanceof MicrophoneError)) throw error;
      this.end(error.message);
    }
  }

  get turn() {
    return this.#turns.current;
  }

  get phase() {
    return this.#isReady && this.#session.isOpen ? this.#phase : "opening";
  }

  /** Somebody or something is still to come. */
  get #isWaiting() {
    const isHearing = this.isHeld || this.isLatched || this.#isPressed || this.#tail > 0;
    const isUnderstood = [...this.#asked.values(), ...this.#uncommitted].every((turn) => turn.caption === null);
    const isThinking = this.#owed !== null || this.#isAwaited || this.#response?.isWanted;
    return isHearing || !isUnderstood || isThinking || this.#answer !== null;
  }

  // --- the button ----------------------------------------------------------------------------------------------

  down() {
    this.#interrupt();
    if (this.#tail) this.#commit();
    this.#isPressed = !this.isLatched;
    this.#redraw();
  }

  hold() {
    if (this.isLatched) return;
    [this.#isPressed, this.isHeld] = [false, true];
    this.#uncommitted.push(this.#begin());
    this.#decide(false);
  }

  up() {
    if (!this.isHeld) return;
    this.isHeld = false;
    this.#wake();
    if (!this.#isReady) return this.end("The microphone was not open yet: hold again.");
    this.#tail = Speaking.TAIL_PIECES;
    this.#redraw();
  }

  tap() {
    this.#isPressed = false;
    this.#wake();
    if (this.isLatched) return this.#unlatch();
    this.isLatched = true;
    this.#decide(true);
    this.#redraw();
  }

  /** A browser that took the press for no act of a person's takes its end for one. */
  #wake() {
    this.#microphone.wake();
    this.#player.wake();
  }

  /** What is being said is the last of it. */
  #unlatch() {
    this.isLatched = false;
    if (this.#asking) this.#commit();
    if (!this.#isWaiting) this.end();
    else this.#redraw();
  }

  mute(isMuted) {
    this.#microphone.isMuted = isMuted;
  }

  /** From here on it is known what the press is, and what was said since it began can be sent. */
  #decide(isFree) {
    this.#set({ isFree });
    for (const sound of this.#early.splice(0)) this.#session.append(sound);
  }

  /** `isFree`: the service finds by itself where a turn ends, and answers it. */
  #set({ isFree }) {
    const mostTokens = this.#page.options().max_tokens ?? "inf";
    const isTold = this.#told.isFree === isFree && this.#told.mostTokens === mostTokens;
    this.#told = { isFree, mostTokens };
    if (!isTold) this.#session.set(this.#told);
  }

  // --- what is said --------------------------------------------------------------------------------------------

  #onSound(sound) {
    if (!this.#isReady) {
      this.#isReady = true;
      this.#redraw();
    }
    if (this.#isPressed) this.#early.push(sound);
    else if (this.isHeld || this.isLatched) this.#session.append(sound);
    else if (this.#tail) {
      this.#session.append(sound);
      if (--this.#tail === 0) this.#commit();
    }
  }

  /** The device has gone: what was said until then is all. */
  #onLost() {
    if (this.#isOver) return;
    this.#page.notice("The microphone has gone. What you had said is kept; type, or press again.");
    [this.isHeld, this.isLatched, this.#isPressed] = [false, false, false];
    if (this.#asking) this.#commit();
    else if (!this.#isWaiting) return this.end();
    this.#redraw();
  }

  #begin() {
    const turn = this.#turns.ask();
    this.#session.give(turnsTo(turn.parent));
    this.#session.know(turn);
    this.#asking = turn;
    this.#become("listening");
    return turn;
  }

  #commit() {
    this.#session.send("input_audio_buffer.commit");
    [this.#owed, this.#asking, this.#tail] = [this.#asking, null, 0];
    this.#become("understanding");
  }

  /** The caller's turn that this item is of. */
  #turnOf(item) {
    return this.#asked.get(item) ?? this.#uncommitted[0];
  }

  #onHeard(turn, text) {
    this.#turns.end(turn, text);
    const isOwed = this.#owed === turn;
    if (isOwed) this.#owed = null;
    if (text) {
      announce(`You said: ${text}`);
      if (isOwed) this.#session.send("response.create"); // otherwise the service answers by itself
      this.#isAwaited = true;
      if (!this.#asking) this.#become("thinking");
    } else {
      if (isOwed) this.#page.notice(NO_WORDS);
      this.#rest();
    }
  }

  // --- the answer ----------------------------------------------------------------------------------------------

  #beginAnswer(response, item) {
    const turn = this.#turns.answer([...this.#asked.values()].findLast((turn) => turn.text));
    this.#session.know(turn);
    this.#answer = new Answer(turn, response, item, this.#player);
    this.#become("speaking");
  }

  #tick() {
    this.#page.onLevels(this.#microphone.level(), this.#player.level());
    const answer = this.#answer;
    if (!answer) return;
    this.#turns.show(answer.turn, answer.caption);
    answer.tell();
    if (!answer.isOver) return;
    this.#answer = null;
    this.#turns.end(answer.turn, answer.text, answer.cut);
    this.#rest();
  }

  /** Silent at once; of the answer is left what was heard. */
  #interrupt() {
    if (this.#isAwaited || this.#response) this.#session.send("response.cancel");
    [this.#owed, this.#isAwaited, this.#phase] = [null, false, "listening"];
    if (this.#response) this.#response.isWanted = false;
    const answer = this.#answer;
    if (!answer) return;
    this.#answer = null;
    const { turn, item, response, caption } = answer;
    this.#cut = { turn, item, response, ms: Math.floor(1000 * this.#player.stop()), isHeard: caption.firm !== "" };
    this.#turns.end(turn, caption.firm.trim(), INTERRUPTED);
    if (this.#response?.id !== response) this.#sendCut();
  }

  /** Once the service is no longer at it: it cuts an answer itself where that was cancelled, by what it had sent. */
  #sendCut() {
    const { item, ms, isHeard } = this.#cut;
    if (isHeard) return this.#session.cut(item, ms);
    this.#session.send("conversation.item.delete", { item_id: item });
    this.#cut = null;
  }

  /** The service knows better than the page where its sentences end. */
  #onCut({ id, content }) {
    if (this.#cut?.item !== id) return;
    this.#turns.end(this.#cut.turn, content[0].transcript.trim(), INTERRUPTED);
    this.#cut = null;
  }

  #onDone({ id, status, status_details: details }) {
    if (this.#response?.id === id) this.#response = null;
    if (this.#cut?.response === id) this.#sendCut();
    if (status === "failed") return this.end(inWords(details.error.message), true);
    if (this.#answer?.response === id) {
      this.#answer.isWhole = true;
      if (status === "incomplete") this.#answer.cut = ENDED_BY_LENGTH;
    } else if (status !== "cancelled") this.end("No answer came.", true);
    else this.#rest();
  }

  // --- events --------------------------------------------------------------------------------------------------

  #handlers() {
    const isOfAnswer = (event) => event.item_id === this.#answer?.item;
    return {
      "session.created": ({ session }) => {
        this.#expires = 1000 * session.expires_at;
        this.#life.isMet = true;
        this.#page.room.draw();
        this.#redraw();
      },
      error: ({ error }) => this.#onError(error),
      end: (wasOpen) => this.#onGone(wasOpen),
      "noghost.caption": ({ item_id: item, firm, open }) => {
        const turn = this.#turnOf(item);
        const apart = firm && open && !/\s$/.test(firm) && !/^\s/.test(open) ? " " : "";
        if (turn?.caption) this.#turns.show(turn, { firm: firm + apart, open });
      },
      "input_audio_buffer.speech_started": ({ item_id: item }) => {
        this.#interrupt();
        this.#asked.set(item, this.#begin());
      },
      "input_audio_buffer.speech_stopped": () => {
        this.#asking = null;
        this.#become("understanding");
      },
      "input_audio_buffer.committed": ({ item_id: item }) => {
        if (!this.#asked.has(item)) this.#asked.set(item, this.#uncommitted.shift());
      },
      "conversation.item.input_audio_transcription.completed": ({ item_id: item, transcript }) =>
        this.#onHeard(this.#asked.get(item), transcript.trim()),
      "response.created": ({ response }) => {
        const isWanted = this.#isAwaited && !this.#asking && !this.#isPressed; // who speaks is not answered
        [this.#response, this.#isAwaited] = [{ id: response.id, isWanted }, false];
        if (!isWanted) this.#session.send("response.cancel");
      },
      "response.output_item.added": ({ response_id: response, item }) => {
        if (item.type === "message" && this.#response?.isWanted) this.#beginAnswer(response, item.id);
      },
      "response.output_audio_transcript.delta": (event) => {
        if (isOfAnswer(event)) this.#answer.text += event.delta;
      },
      "response.output_audio.delta": (event) => {
        if (isOfAnswer(event)) this.#player.add(Bytes.from64(event.delta));
      },
      "response.done": ({ response }) => this.#onDone(response),
      "conversation.item.retrieved": ({ item }) => this.#onCut(item),
    };
  }

  #onError({ event_id: event, code, message }) {
    if (event === this.#captions || HARMLESS.includes(code)) return;
    if (code !== "input_audio_buffer_commit_empty") return this.end(inWords(message), true);
    const turn = this.#uncommitted.shift();
    if (turn) this.#onHeard(turn, "");
  }

  #onGone(wasOpen) {
    const isLate = Date.now() > this.#expires - 1000;
    const why = isLate ? "The conversation has come to its longest time." : "The connection to the service broke.";
    if (!this.#answer?.isWhole) return this.end(wasOpen ? why : NOT_OPENED, true);
    [this.isGone, this.isLatched, this.isHeld] = [true, false, false];
    this.#page.notice(why);
    return this.#redraw();
  }

  // --- its end -------------------------------------------------------------------------------------------------

  #become(phase) {
    this.#phase = phase;
    this.#redraw();
  }

  #redraw() {
    if (!this.#isOver) this.#page.redraw();
  }

  /** All was said and heard: it ends, unless more is to come. */
  #rest() {
    if (!this.#isWaiting) return this.end();
    return this.#become(this.isLatched && !this.#isAwaited && !this.#response ? "listening" : this.#phase);
  }

  /** `why`: in words. `isBroken`: not as its caller wanted, so that all that came is kept, heard or not. */
  end(why = null, isBroken = false) {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#session.close();
    this.#microphone.close();
    if (this.#answer) {
      const { turn, text, caption } = this.#answer;
      const words = isBroken ? text : caption.firm.trim();
      this.#turns.end(turn, words, isBroken ? `${why} What came before is kept.` : STOPPED);
    }
    for (const turn of [...this.#asked.values(), ...this.#uncommitted])
      if (turn.caption) this.#turns.end(turn, turn.text);
    if (why) this.#turns.fail(why);
    this.#player.close();
    this.#page.room.leave(this.#life, Date.now());
    this.#onEnd(why);
  }
}

const HARMLESS = ["response_cancel_not_active", "conversation_already_has_active_response"];
const NO_WORDS = "No words were heard.";
const NOT_OPENED = "The service opened no conversation: it may be full, starting again, or away.";
const INTERRUPTED = "You interrupted it: what was not heard is dropped.";
const STOPPED = "You stopped it: what was not heard is dropped.";
