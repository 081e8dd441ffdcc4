// A conversation in sound by @openai/agents-realtime, unchanged: a question is heard and answered, then a function is
// called and its result spoken of.
//   node talk.mjs URL PCM_FILE       one line of JSON for each thing that happened
import { readFileSync } from "node:fs";
import { RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";

const [url, file] = process.argv.slice(2);
const say = (what) => console.log(JSON.stringify(what));
const detection = { type: "server_vad", interruptResponse: true };
const config = {
  audio: { input: { turnDetection: detection } },
  toolChoice: "none",
  providerData: { max_output_tokens: 60 },
};

const weather = tool({
  name: "get_weather",
  description: "The weather in a city.",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    say({ called: typeof city });
    session.transport.updateSessionConfig({ ...config, tools: agentTools });
    return "The sky is clear.";
  },
});
const agent = new RealtimeAgent({ name: "Ada", instructions: "Answer in one short sentence.", tools: [weather] });
const session = new RealtimeSession(agent, { transport: "websocket", model: "gpt-realtime", config });
let agentTools = [];
let bytes = 0;
let turns = 0;

session.on("audio", (event) => (bytes += event.data.byteLength));
session.on("error", (event) => say({ error: JSON.stringify(event.error ?? event) }));
session.on("history_updated", (history) => say({ history: JSON.stringify(history) }));
session.on("transport_event", (event) => {
  if (event.type === "session.updated") agentTools = event.session.tools ?? agentTools;
});
session.on("agent_end", (_context, _agent, text) => {
  say({ answered: text, bytes });
  bytes = 0;
  turns += 1;
  if (turns === 1) {
    session.transport.updateSessionConfig({ ...config, tools: agentTools, toolChoice: "required" });
    session.sendMessage("What is the weather in Paris?");
  } else {
    session.close();
    process.exit(0);
  }
});

await session.connect({ apiKey: "none", url });
const pcm = readFileSync(file);
session.sendAudio(pcm.buffer.slice(pcm.byteOffset, pcm.byteOffset + pcm.byteLength));
