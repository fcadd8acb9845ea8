// The page: the account on one side, chat on the other, and cometchat-ext between them.
import '@fontsource-variable/inter/wght.css';
import './style.css';
import { startAccount } from './account';
import { followSession } from 'cometchat-ext/session';
import { chatCard } from './chat-card';
import { localCometChat } from './cometchat-local';
import { cometChat } from './cometchat-sdk';
import { giveUp } from './dom';
import { startPlayground } from './playground';
import { supabase } from './supabase';

const { VITE_COMETCHAT_APP_ID: appId, VITE_COMETCHAT_REGION: region } = import.meta.env;

const real = Boolean(appId && region);
if (!real && !import.meta.env.LOCAL_COMETCHAT) {
  giveUp('Set VITE_COMETCHAT_APP_ID and VITE_COMETCHAT_REGION, or start it all with tools/example.sh.');
}
const card = chatCard(real ? `CometChat, app ${appId}` : 'the local CometChat, which accepted this token');
const chat = followSession(supabase, real ? cometChat(appId, region) : localCometChat, card.show);

card.onRetry(chat.retry);
card.onNewToken(chat.newToken);
startAccount({ stillSignedIn: chat.retry });
if (!real) startPlayground();
