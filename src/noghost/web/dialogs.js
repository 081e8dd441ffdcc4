"use strict";

/** What the page asks for in a dialog. What is typed there is taken out of its field at once. */
const Dialogs = (() => {
  /** Whether the dialog was closed by Enter or its first button. */
  function asked(dialog) {
    dialog.returnValue = "";
    dialog.querySelector(".cancel").onclick = () => dialog.close();
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
    });
  }

  function take(field) {
    const text = field.value;
    field.value = "";
    return text;
  }

  /** An API key, or null. `wrong`: what was wrong with the one before. */
  async function askKey(wrong) {
    byId("key-wrong").textContent = wrong;
    const ok = await asked(byId("key-dialog"));
    const key = take(byId("key")).trim();
    return ok && key ? key : null;
  }

  /** A passphrase, typed twice, or null. */
  async function askPassphrase() {
    byId("pass-wrong").textContent = "";
    for (;;) {
      const ok = await asked(byId("pass-dialog"));
      const [one, other] = [byId("pass"), byId("pass-again")].map(take);
      if (!ok) return null;
      if (one && one === other) return one;
      byId("pass-wrong").textContent = one ? "They are not the same." : "There has to be one.";
    }
  }

  return { askKey, askPassphrase };
})();
