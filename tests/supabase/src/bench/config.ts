// What the processes of the comparison are told: in the environment, as one JSON value each.

export interface Config {
  /** The folder of the database's socket, and the database. */
  socket: string;
  database: string;
  rounds: number;
  chat: { url: string; key: string; app: string };
}

export function given<Value>(name: string): Value {
  const text = process.env[name];
  if (!text) throw new Error(`${name} is not set`);
  return JSON.parse(text) as Value;
}
