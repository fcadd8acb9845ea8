// Runs the stack for a page or a script: prints one line of JSON, with its addresses and keys, and
// runs until SIGTERM or SIGINT.
//
//   node src/serve.ts [--port N]      port of the first gateway; 0, the default: any
//
// With COMETCHAT_APP_ID, COMETCHAT_REGION and COMETCHAT_API_KEY_FILE set, that app is used instead
// of a local CometChat; controlUrl is null then.
import { Console } from 'node:console';
import { parseArgs } from 'node:util';
import { appFromEnvironment, startStack } from './stack.ts';

// Standard output is for the line of JSON, whatever a library has to say.
globalThis.console = new Console(process.stderr);

const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } });
const port = Number(values.port);
if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error(`not a port: ${values.port}`);

// Listened to from the start: a signal during start-up takes effect once there is something to stop.
const stopped = new Promise<void>((resolve) => {
  process.once('SIGTERM', () => resolve());
  process.once('SIGINT', () => resolve());
});

const stack = await startStack({ port, app: await appFromEnvironment() });
const line = {
  url: stack.liteUrl,
  publishableKey: stack.keys.publishable,
  serviceKey: stack.keys.secret,
  rpcUrl: stack.gatewayUrl,
  controlUrl: stack.chat?.controlUrl ?? null,
  apiUrl: stack.apiUrl,
};
process.stdout.write(`${JSON.stringify(line)}\n`);
await stopped;
await stack.stop();
