import type { Traffic } from './connection.js';
import type { Hall } from './hall.js';
import type { Histogram } from './histogram.js';
import type { HistoryWriter } from './history.js';
import type { HttpClient } from './http.js';
import type { HoldSample, LatencyName } from './records.js';

/** What the buyers of one load process share. */
export interface LoadWorld {
  readonly eventId: string;
  readonly httpUrl: string;
  readonly socketUrl: string;
  readonly localAddress: string;
  readonly http: HttpClient;
  readonly hall: Hall;
  readonly traffic: Traffic;
  readonly latencies: Readonly<Record<LatencyName, Histogram>>;
  readonly history: HistoryWriter | null;
  readonly admittedAtMs: number[];
  readonly completedAtMs: number[];
  readonly holds: HoldSample[];
}
