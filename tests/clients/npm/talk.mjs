// A conversation in sound by @openai/agents-realtime, unchanged: a question is heard and answered.
//   node talk.mjs URL PCM_FILE [RESULT]     one line of JSON for each thing that happened
// With RESULT the model must call a function once before it answers, which gives that.
import { readFileSync } from "node:fs";
import { RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";

const [url, file, result] = process.argv.slice(2);
const say = (what) => console.log(JSON.stringify(what));
const lookUp = tool({
  name: "look_up",
  description: "Look up what is known about a place.",
  parameters: z.object({ place: z.string() }),
  execute: ({ place }) => {
    say({ called: place });
    session.transport.sendEvent({ type: "session.update", session: { type: "realtime", tool_choice: "none" } });
    return result;
  },
});
const config = {
  audio: { input: { turnDetection: { type: "server_vad", interruptResponse: true } } },
  providerData: { max_output_tokens: 60 },
  ...(result && { toolChoice: "required", parallelToolCalls: false }),
};
const tools = result ? [lookUp] : [];
const agent = new RealtimeAgent({ name: "Ada", instructions: "Answer in one short sentence.", tools });
const session = new RealtimeSession(agent, { transport: "websocket", model: "gpt-realtime", config });
let bytes = 0;

session.on("audio", (event) => (bytes += event.data.byteLength));
session.on("error", (event) => say({ error: JSON.stringify(event.error ?? event) }));
session.on("history_updated", (history) => say({ history: JSON.stringify(history) }));
session.on("agent_tool_end", (_context, _agent, _tool, output) => say({ gave: output }));
session.on("agent_end", (_context, _agent, text) => {
  if (result && !text) return; // a call
  say({ answered: text, bytes });
  session.close();
  process.exit(0);
});

await session.connect({ apiKey: "none", url });
const pcm = readFileSync(file);
session.sendAudio(pcm.buffer.slice(pcm.byteOffset, pcm.byteOffset + pcm.byteLength));
