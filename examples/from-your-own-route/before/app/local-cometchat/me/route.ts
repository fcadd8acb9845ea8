// Only for the tests: the local CometChat, which has no client API.
import { answer } from '../../../../../shared/local-cometchat';

export function GET(request: Request) {
  return answer({ apiUrl: process.env.COMETCHAT_API_URL!, controlUrl: process.env.LOCAL_COMETCHAT_CONTROL_URL! }, request);
}
