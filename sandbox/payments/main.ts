import { type RunningSandbox, type SandboxOptions, startSandbox } from './server.js';
import { changeSettings, defaultSettings, type Settings } from './settings.js';

/**
 * The payment sandbox as a process. Environment: HOST, PORT (0 = free), STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET, WEBHOOK_URL,
 * STATE_FILE, PUBLIC_URL, and SETTINGS (JSON, the same fields as PATCH /_sandbox/settings). Prints one line when it listens.
 */
function readEnvironment(env: NodeJS.ProcessEnv): SandboxOptions {
  const port = Number(env.PORT ?? '0');
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error('PORT must be a whole number from 0 to 65535');
  return {
    host: env.HOST || '127.0.0.1',
    port,
    secretKey: env.STRIPE_SECRET_KEY || 'sk_test_floodgate',
    webhookSecret: env.STRIPE_WEBHOOK_SECRET || 'whsec_floodgate',
    stateFile: env.STATE_FILE || undefined,
    publicUrl: env.PUBLIC_URL?.replace(/\/$/, '') || undefined,
    settings: readSettings(env),
  };
}

function readSettings(env: NodeJS.ProcessEnv): Settings {
  const patch = parseSettings(env.SETTINGS || '{}');
  const webhooks = env.WEBHOOK_URL ? { webhookUrl: env.WEBHOOK_URL } : {};
  const change = changeSettings(defaultSettings, { ...webhooks, ...(patch as object) });
  if ('problem' in change) throw new Error(`SETTINGS or WEBHOOK_URL: ${change.field}: ${change.problem}`);
  return change.settings;
}

function parseSettings(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new Error('SETTINGS is not JSON');
  }
}

function describe(problem: unknown): string {
  if (!(problem instanceof Error)) return String(problem);
  const code = (problem as NodeJS.ErrnoException).code;
  return code === 'EADDRINUSE' ? `port ${process.env.PORT} is taken` : problem.message;
}

let sandbox: RunningSandbox | undefined;
let stopping = false;

async function stop(): Promise<void> {
  if (stopping || sandbox === undefined) return;
  stopping = true;
  await sandbox.stop();
  process.exit(0);
}

try {
  const options = readEnvironment(process.env);
  sandbox = await startSandbox(options);
  process.on('SIGTERM', () => void stop());
  process.on('SIGINT', () => void stop());
  process.stdout.write(`${JSON.stringify({ listening: sandbox.url })}\n`);
} catch (problem) {
  process.stderr.write(`payment sandbox: ${describe(problem)}\n`);
  process.exit(1);
}
