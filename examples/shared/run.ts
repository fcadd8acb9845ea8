// Builds an example, starts it with everything that it needs, prints where it is; runs until SIGTERM or SIGINT.
//
//   node examples/shared/run.ts vue [PORT]
import { apps, startBackend, type AppName } from './apps.ts';

const [name = '', port = '5173'] = process.argv.slice(2);
if (!(name in apps)) throw new Error(`not an example: ${name}; there are ${Object.keys(apps).join(', ')}`);

const stopped = new Promise<void>((resolve) => {
  process.once('SIGTERM', () => resolve());
  process.once('SIGINT', () => resolve());
});
const backend = await startBackend();
try {
  const app = await apps[name as AppName](backend, undefined, Number(port));
  console.log(`\n   ${app.page}   open this in a browser; Ctrl-C stops everything\n`);
  await stopped;
  await app.stop();
} finally {
  await backend.stop();
}
