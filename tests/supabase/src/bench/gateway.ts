// The gateway in a process of its own, as a project's Data API is: its address goes to the parent process.
import pg from 'pg';
import { openGateway } from '../gateway/gateway.ts';
import type { Keys } from '../gateway/keys.ts';
import { serve } from '../http.ts';
import { given, type Config } from './config.ts';

const { socket: host, database } = given<Config>('CONFIG');
const pool = (user: string, max: number) => new pg.Pool({ host, database, user, max });
const { url } = await serve(openGateway({ pool }, given<Keys>('KEYS')).handler);
process.on('disconnect', () => process.exit());
process.send!(url);
