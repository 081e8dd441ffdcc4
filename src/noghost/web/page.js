"use strict";

/** The page: what a person does here, and what then happens. All of it is in memory and goes with the page. */
const Page = (() => {
  const RECEIPT_AFTER_MS = [150, 500, 2000]; // each look is a birth: the first is nearly always late enough
  const DRAFT_AFTER_MS = 300;
  const GONE_BY = "It is told for two minutes after the end, and not by older services.";
  const service = new Service();
  const room = new Room();
  const thread = new Thread({ answer, edit, turnTo, fetchReceipt, redraw });
  let conversation = new Conversation();
  let running = null; // {turn, abort}
  let talk = { isOn: false, turn: null, draw() {}, end() {} }; // voice/talk.js, where the service has a voice
  let drafted = null; // the timer after which what is being typed is remembered too, where anything is

  // --- asking --------------------------------------------------------------------------------------------------

  /** A question that got no answer stays beside the next one: two in a row are not what models know. */
  const ask = (text, parent = conversation.lastAnswered()) =>
    answer(conversation.add(questionAfter(parent), "user", text));

  /** What a question after this turn comes after: other instructions are a turn of their own. */
  function questionAfter(turn) {
    const instructions = byId("system").value;
    const isSame = instructions.trim() === instructionsAt(turn).trim();
    return isSame ? turn : conversation.add(turn, "system", instructions);
  }

  /** Have a turn answered, by an instance that knows nothing but what is sent to it now. */
  async function answer(question) {
    const turn = conversation.add(question, "assistant", "");
    const life = (turn.life = new Life());
    question.failed = null;
    running = { turn, abort: new AbortController() };
    turn.options = options();
    if (service.isSealing) life.isSealed = false;
    if (Check.isPossible()) turn.key = crypto.getRandomValues(new Uint8Array(32));
    room.enter(life);
    redraw();
    byId("thread").lastElementChild.scrollIntoView({ block: "end" });
    announce("You knocked.");
    try {
      Object.assign(
        life,
        await service.ask(bodyOf(turn), await headersFor(turn), listener(turn, running.abort.signal)),
      );
      life.end("answered");
      turn.cut = life.reason === "length" ? ENDED_BY_LENGTH : null;
    } catch (error) {
      broken(turn, question, error);
    }
    turn.ended = Date.now();
    running = null;
    await fetchReceipt(turn);
    finish(turn);
  }

  const headersFor = async (turn) => ({ ...(await Check.headersFor(turn)), ...turn.life.header() });

  /** The fields of a request but its messages. */
  function options() {
    const chosen = { model: byId("model").value || "default", stream: true, stream_options: { include_usage: true } };
    for (const name of ["temperature", "max_tokens", "seed"]) {
      const field = byId(name);
      if (field.value !== "" && field.checkValidity()) chosen[name] = field.valueAsNumber;
    }
    return chosen;
  }

  function finish(turn) {
    room.leave(turn.life, turn.ended);
    redraw();
    remember();
    announce(`${turn.cut ?? turn.parent.failed ?? "The answer is whole."} ${VERDICTS[turn.life.receipt.state] ?? ""}`);
  }

  function listener(turn, signal) {
    const { life } = turn;
    return {
      signal,
      onSealed(instance) {
        [life.isSealed, life.instance] = [true, instance];
        room.draw();
      },
      onBorn(instance) {
        life.instance = instance;
        room.draw();
      },
      onText(piece) {
        if (life.firstMs === null) announce("Somebody is here and answers.");
        life.sawText();
        turn.text += piece;
        thread.grow(turn);
        if (turn.text.length === piece.length) room.draw();
      },
      onThought(piece) {
        life.sawText();
        turn.thought = (turn.thought ?? "") + piece;
        thread.grow(turn);
      },
    };
  }

  /** What came is kept; of what did not come, the reason. */
  function broken(turn, question, error) {
    const isStopped = error.name === "AbortError";
    if (!isStopped && !(error instanceof ServiceError)) console.error(error);
    const why = isStopped ? "You stopped it." : error instanceof ServiceError ? error.message : "This page failed.";
    turn.life.end(isStopped ? "stopped" : error.isBroken ? "broken" : "refused");
    if (turn.text) {
      turn.cut = isStopped ? why : `${why} What came before is kept.`;
    } else {
      conversation.drop(turn);
      question.failed = isStopped ? why : `${why} Your question is kept.`;
    }
    if (error.status === 401) askKey().then((has) => has && answer(question));
  }

  function stop() {
    running?.abort.abort();
    talk.end();
  }

  function edit(turn, text) {
    ask(text, turn.parent);
  }

  function turnTo(turn, step) {
    conversation.turnTo(turn, step);
    redraw();
    remember();
  }

  // --- receipts ------------------------------------------------------------------------------------------------

  /** The receipt is there once the reaper has wiped, which comes after the answer. */
  async function fetchReceipt(turn) {
    const { life } = turn;
    if (!life.instance || life.ending === "refused") return;
    life.receipt = { state: "pending" };
    room.draw();
    redraw();
    for (const wait of RECEIPT_AFTER_MS) {
      await new Promise((done) => setTimeout(done, wait));
      try {
        life.receipt = await Check.check(await service.receipt(life.instance), turn);
        if (life.receipt.verified?.ended) life.goneMs = life.now();
      } catch (error) {
        life.receipt = { state: "missing", why: error.message };
      }
      if (life.receipt.state === "wrong" || life.receipt.verified?.ended || running) break;
    }
    await fetchFate(life);
    room.draw();
    redraw();
  }

  /** The service knows it for a short while, and tells it to who has the key. */
  async function fetchFate(life) {
    if (!life.key || life.fate) return;
    try {
      life.learn(await service.fate(life.header()));
    } catch (error) {
      life.fateless = error.status === 404 ? GONE_BY : error.message;
    }
  }

  /** The receipts that a file has. */
  async function checkKept() {
    for (const turn of conversation.path()) {
      const text = turn.kept?.facts.receipt;
      if (turn.life && typeof text === "string") turn.life.receipt = await Check.check(text, turn);
    }
    redraw();
  }

  // --- files ---------------------------------------------------------------------------------------------------

  const render = () => Transcript.render(conversation.toTranscript(byId("model").value || "default"));

  function save() {
    const url = URL.createObjectURL(new Blob([render()], { type: "text/markdown" }));
    element("a", { href: url, download: conversation.fileName() }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000); // the download reads it later
    conversation.isDirty = false;
    announce("Saved.");
  }

  async function open(file) {
    byId("file").value = "";
    try {
      const text = Transcript.decode(new Uint8Array(await file.arrayBuffer()));
      const opened = Conversation.from(Transcript.parse(text), file.name);
      if (mayLeave()) show(opened);
    } catch (error) {
      if (!(error instanceof Transcript.TranscriptError)) throw error;
      notice(`${file.name} is no transcript, and was not opened: ${error.message}.`);
    }
  }

  function show(other) {
    stop();
    conversation = other;
    const last = conversation.last();
    byId("system").value = instructionsAt(last);
    notice("");
    room.clear(last.ended);
    redraw();
    remember();
    checkKept();
    byId("ask").focus();
  }

  const isKept = () => !conversation.isDirty || !conversation.path().length || Device.isOn();
  const mayLeave = () => isKept() || confirm("This conversation is nowhere but here. Leave it without saving?");

  // --- this device ---------------------------------------------------------------------------------------------

  const remember = () => Remembered.remember();

  /** What is kept of this page, where its user has it remembered. */
  function state() {
    const { value: system } = byId("system");
    const signer = Invocation.known();
    return { transcript: render(), name: conversation.name, draft: byId("ask").value, system, signer };
  }

  function restore(kept) {
    show(Conversation.from(Transcript.parse(kept.transcript), kept.name));
    Invocation.know(kept.signer ?? Invocation.known());
    byId("system").value = kept.system;
    byId("ask").value = kept.draft;
  }

  // --- the controls --------------------------------------------------------------------------------------------

  function redraw() {
    thread.draw(conversation.path(), running?.turn ?? talk.turn, running !== null || talk.isOn);
    talk.draw();
    byId("send").hidden = running !== null;
    byId("stop").hidden = running === null;
    byId("save").disabled = !conversation.path().length;
  }

  function notice(text) {
    byId("notice").textContent = text;
  }

  function submit(event) {
    event?.preventDefault();
    const box = byId("ask");
    if (running || !box.value.trim()) return;
    const text = box.value;
    box.value = "";
    fit(box);
    talk.end();
    notice("");
    ask(text);
  }

  function onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  }

  /** Whether the service knows the key that was given. */
  async function askKey(wrong = "") {
    const key = await Dialogs.askKey(wrong);
    if (!key) return false;
    service.setKey(key);
    return listModels();
  }

  /** Whether the service told its models. */
  async function listModels() {
    try {
      const names = await service.models();
      byId("model").replaceChildren(...names.map((name) => element("option", {}, name)));
      notice("");
      return true;
    } catch (error) {
      if (error.status === 401) return askKey(service.hasKey ? error.message : "");
      notice(error.message);
      return false;
    }
  }

  function toggleSettings() {
    const section = byId("settings");
    section.hidden = !section.hidden;
    byId("configure").setAttribute("aria-expanded", String(!section.hidden));
    if (!section.hidden) byId("system").focus();
  }

  /** The switch can be used once it is known that this browser can seal. */
  async function offerSealing() {
    const why = await Invocation.whyNot();
    byId("seal").disabled = why !== null;
    byId("seal-why").textContent = why ?? "";
  }

  function listen() {
    const on = (id, kind, handler) => byId(id).addEventListener(kind, handler);
    on("form", "submit", submit);
    on("ask", "keydown", onKey);
    on("ask", "input", () => {
      fit(byId("ask"));
      clearTimeout(drafted);
      drafted = setTimeout(remember, DRAFT_AFTER_MS);
    });
    on("stop", "click", stop);
    on("new", "click", () => mayLeave() && show(new Conversation()));
    on("open", "click", () => byId("file").click());
    on("file", "change", ({ target }) => target.files[0] && open(target.files[0]));
    on("save", "click", save);
    on("configure", "click", toggleSettings);
    on("system", "change", remember);
    on("seal", "change", ({ target }) => {
      service.isSealing = target.checked;
      talk.end();
    });
    addEventListener("keydown", (event) => event.key === "Escape" && !document.querySelector("dialog[open]") && stop());
    addEventListener("beforeunload", (event) => isKept() || event.preventDefault());
  }

  listen();
  redraw();
  Remembered.begin({ state, restore, notice });
  offerSealing();
  listModels();
  byId("ask").focus();
  return {
    ...{ service, room, thread, conversation: () => conversation, isAnswering: () => running !== null },
    ...{ options, questionAfter, redraw, remember, notice, listModels },
    setTalk: (other) => (talk = other),
  };
})();
