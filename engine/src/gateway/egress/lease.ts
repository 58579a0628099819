// One request's hold on an environment, and its place in the counts. L1 taken before anything is sent, given
// back exactly once, when the instance has nothing left to do for it; an upgraded connection holds it until
// both halves have closed. L2 a signed probe holds a lease like any other and is counted nowhere.
import type { ErrorKind } from '../../api/samples.ts';
import type { FleetArm } from './fleet.ts';
import type { Upstream } from './upstream.ts';

export type Claim = {
  readonly arm: FleetArm;
  readonly key: string | undefined;
  readonly isMeasured: boolean;
  readonly isUpgrade: boolean;
  /** The shape of the path: what stands in reports. */
  readonly path: string;
};

export class Lease {
  readonly arm: FleetArm;
  readonly #key: string | undefined;
  readonly #isMeasured: boolean;
  readonly #isUpgrade: boolean;
  readonly #path: string;
  readonly #startedMs = performance.now();
  #upstream: Upstream | undefined;
  #isHeld = true;
  #hasError = false;

  constructor(claim: Claim) {
    this.arm = claim.arm;
    this.#key = claim.key;
    this.#isMeasured = claim.isMeasured;
    this.#isUpgrade = claim.isUpgrade;
    this.#path = claim.path;
    claim.arm.leases[claim.isUpgrade ? 'upgraded' : 'requests']++;
    claim.arm.meter.held++;
  }

  /** The instance that has it now. */
  moveTo(upstream: Upstream): void {
    if (this.#upstream) this.#upstream.leases--;
    this.#upstream = upstream;
    upstream.leases++;
  }

  answered(status: number): void {
    const error = this.#errorOf(status);
    if (error) this.#hasError = true;
    if (!this.#isMeasured) return;
    const latencyMs = performance.now() - this.#startedMs;
    this.arm.meter.answered(this.#key, status, latencyMs, error);
    this.arm.meter.path(this.#path, latencyMs, error !== undefined);
  }

  failed(kind: ErrorKind): void {
    this.#hasError = true;
    if (this.#isMeasured) this.arm.meter.failed(this.#key, this.#isUpgrade ? 'upgrade-failed' : kind);
  }

  /** The answer broke off; one request counts one error. */
  truncated(): void {
    if (this.#isMeasured && !this.#hasError) this.arm.meter.failedLater(this.#key, 'truncated');
    this.#hasError = true;
  }

  clientGone(): void {
    if (this.#isMeasured) this.arm.meter.clientGone();
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.arm.leases[this.#isUpgrade ? 'upgraded' : 'requests']--;
    this.arm.meter.held--;
    if (this.#upstream) this.#upstream.leases--;
  }

  #errorOf(status: number): ErrorKind | undefined {
    if (status >= 500) return 'status-5xx';
    // A 4xx is a refusal that means something; a page in place of a WebSocket is a broken app.
    return this.#isUpgrade && status >= 200 && status < 400 ? 'upgrade-failed' : undefined;
  }
}
