// Only with the local CometChat, which has no client API: asks it, as a server does, whose token this is.
import { answer } from '../../../../shared/local-cometchat';

const { LOCAL_COMETCHAT_API_URL: apiUrl, LOCAL_COMETCHAT_CONTROL_URL: controlUrl } = process.env;

export async function GET(request: Request) {
  return apiUrl && controlUrl ? answer({ apiUrl, controlUrl }, request) : new Response(null, { status: 404 });
}
