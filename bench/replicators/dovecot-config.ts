/**
 * The configuration of one Dovecot 2.3 that delivers into one user's Maildir, as text. Pure.
 *
 * What concerns mail is Dovecot's default (fsync, locks, indexes). The replicator is set up as Dovecot's own page on replication
 * says ("Replication with dsync", over TCP): both ends name each other, and all else is default, so nothing waits for the replica.
 */

export interface SiteConfig {
  /** Holds run/, state/, users and the log. */
  readonly dir: string;
  /** Uid and gid of the mail; nobody needs to have that name. */
  readonly owner: number;
  /** Set where this end takes part in Dovecot's own replication. */
  readonly replication?: { readonly ownPort: number; readonly partnerPort: number } | undefined;
}

/** The one user of every instance. */
export const USER = "user0001";
const PASSWORD = "bench";

export function formatSiteConfig({ dir, owner, replication }: SiteConfig): string {
  return `base_dir = ${dir}/run
state_dir = ${dir}/state
log_path = ${dir}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
mail_location = maildir:~/Maildir
mail_uid = ${owner}
mail_gid = ${owner}
first_valid_uid = ${owner}
first_valid_gid = ${owner}
passdb {
  driver = passwd-file
  args = scheme=PLAIN ${dir}/users
}
userdb {
  driver = passwd-file
  args = ${dir}/users
}
namespace inbox {
  inbox = yes
}
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = 0
  }
}
service lmtp {
  unix_listener lmtp {
    mode = 0600
  }
}
${replication === undefined ? "" : formatReplication(replication)}`;
}

function formatReplication({
  ownPort,
  partnerPort,
}: {
  readonly ownPort: number;
  readonly partnerPort: number;
}): string {
  return `mail_plugins = notify replication
doveadm_password = ${PASSWORD}
plugin {
  mail_replica = tcp:127.0.0.1:${partnerPort}
}
service replicator {
  process_min_avail = 1
}
service aggregator {
  fifo_listener replication-notify-fifo {
    mode = 0666
  }
  unix_listener replication-notify {
    mode = 0666
  }
}
service doveadm {
  inet_listener {
    port = ${ownPort}
  }
}
`;
}

/** The passwd-file. */
export function formatUsers({ owner, home }: { readonly owner: number; readonly home: string }): string {
  return `${USER}:{PLAIN}${PASSWORD}:${owner}:${owner}::${home}::\n`;
}
