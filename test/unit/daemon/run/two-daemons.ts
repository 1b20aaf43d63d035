/** Two daemons on this host, with a unix socket between them, and stores made by hand: for what needs no Dovecot. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DaemonProcess } from "../../../live/sites/daemon-process.js";

export interface TwoDaemons extends AsyncDisposable {
  readonly dir: string;
  /** The source store: exists, empty. */
  readonly source: string;
  /** Does not exist yet. */
  readonly replica: string;
  /** Writes both configurations. `peers`: what follows under `[peer.NAME]`; `link`: more of the replica's table in the source. */
  configure(parts: { readonly replicaPeer?: string; readonly sourcePeer?: string; readonly link?: string }): void;
  /** The replica dials the source, which waits for it. `link`: as of `configure`. */
  configureDialIn(link?: string): void;
  /** The same two hosts and stores, and the mail goes from what was the replica to what was the source. */
  configureExchanged(): void;
  readonly configs: { readonly source: string; readonly replica: string };
  start(which: "source" | "replica"): DaemonProcess;
}

export function openTwoDaemons(): TwoDaemons {
  const dir = mkdtempSync(join(tmpdir(), "mtl-two-"));
  const running: DaemonProcess[] = [];
  const [source, replica] = [join(dir, "source"), join(dir, "replica")];
  const configs = { source: join(dir, "a.toml"), replica: join(dir, "b.toml") };
  mkdirSync(source);
  const own = (name: string) =>
    `state_dir = "${dir}/state-${name}"\ncontrol = "${dir}/${name}.control"\nlog_level = "debug"\nidentity = { name = "${name}" }\n`;
  return {
    ...{ dir, source, replica, configs },
    configure({ replicaPeer = "", sourcePeer = "", link = "" }) {
      const to = `to = "unix:${dir}/link"\npeer = "b"\n${link}`;
      writeFileSync(
        configs.source,
        `${own("a")}[peer.b]\n${replicaPeer}\n[store.mail]\npath = "${source}"\n[store.mail.replica.b]\n${to}\n`,
      );
      writeFileSync(
        configs.replica,
        `${own("b")}listen.unix = ["${dir}/link"]\n[peer.a]\nmay_write = ["mail"]\n${sourcePeer}\n` +
          `[store.mail]\npath = "${replica}"\n[store.mail.source]\npeer = "a"\n`,
      );
    },
    configureDialIn(link = "") {
      writeFileSync(
        configs.source,
        `${own("a")}listen.unix = ["${dir}/link"]\n[peer.b]\nmay_read = ["mail"]\n[store.mail]\npath = "${source}"\n` +
          `[store.mail.replica.b]\npeer = "b"\n${link}`,
      );
      writeFileSync(
        configs.replica,
        `${own("b")}[peer.a]\n[store.mail]\npath = "${replica}"\n[store.mail.source]\npeer = "a"\nfrom = "unix:${dir}/link"\n`,
      );
    },
    configureExchanged() {
      writeFileSync(
        configs.replica,
        `${own("b")}[peer.a]\n[store.mail]\npath = "${replica}"\n` +
          `[store.mail.replica.a]\nto = "unix:${dir}/back"\npeer = "a"\n`,
      );
      writeFileSync(
        configs.source,
        `${own("a")}listen.unix = ["${dir}/back"]\n[peer.b]\nmay_write = ["mail"]\n` +
          `[store.mail]\npath = "${source}"\n[store.mail.source]\npeer = "b"\n`,
      );
    },
    start(which) {
      const daemon = new DaemonProcess({ site: which, before: [], configPath: configs[which], env: {} });
      running.push(daemon);
      return daemon;
    },
    async [Symbol.asyncDispose]() {
      for (const daemon of running) {
        if (daemon.isRunning) daemon.signal("SIGKILL");
        await daemon.exited;
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
