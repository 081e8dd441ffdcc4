// A conversation in sound by @openai/agents-realtime, unchanged: a question is heard and answered.
//   node talk.mjs URL PCM_FILE       one line of JSON for each thing that happened
import { readFileSync } from "node:fs";
import { RealtimeAgent, RealtimeSession } from "@openai/agents-realtime";

const [url, file] = process.argv.slice(2);
const say = (what) => console.log(JSON.stringify(what));
const config = {
  audio: { input: { turnDetection: { type: "server_vad", interruptResponse: true } } },
  providerData: { max_output_tokens: 60 },
};
const agent = new RealtimeAgent({ name: "Ada", instructions: "Answer in one short sentence." });
const session = new RealtimeSession(agent, { transport: "websocket", model: "gpt-realtime", config });
let bytes = 0;

session.on("audio", (event) => (bytes += event.data.byteLength));
session.on("error", (event) => say({ error: JSON.stringify(event.error ?? event) }));
session.on("history_updated", (history) => say({ history: JSON.stringify(history) }));
session.on("agent_end", (_context, _agent, text) => {
  say({ answered: text, bytes });
  session.close();
  process.exit(0);
});

await session.connect({ apiKey: "none", url });
const pcm = readFileSync(file);
session.sendAudio(pcm.buffer.slice(pcm.byteOffset, pcm.byteOffset + pcm.byteLength));
