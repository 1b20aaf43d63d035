/**
 * The configuration file of one lab instance, as text.
 *
 * Everything that concerns mail is Dovecot's default (fsync, dotlocks, list index), because the tests are about an
 * unmodified Dovecot. Only places, ports, and limits on connections differ, so that one test can open 60 sessions.
 */
import type { MailOwner, UserIds } from "./place.js";

export type Layout = "maildir++" | "fs";

export interface InstanceConfig {
  /** Holds run/, state/, home/, users, dovecot.log. */
  readonly dir: string;
  readonly layout: Layout;
  readonly owner: MailOwner;
  readonly imapPort: number;
  readonly lmtpPort: number;
  /** Appended as it is, so it overrides. */
  readonly extraConfig: string;
}

/** dovecot.conf for 2.3. */
export function formatConfig(config: InstanceConfig): string {
  const { dir, owner } = config;
  const layout = config.layout === "fs" ? ":LAYOUT=fs" : "";
  return `base_dir = ${dir}/run
state_dir = ${dir}/state
log_path = ${dir}/dovecot.log
log_timestamp = "%Y-%m-%d %H:%M:%S.%{usecs} "
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir${layout}
mail_uid = ${owner.name}
mail_gid = ${owner.name}
first_valid_uid = ${Math.min(owner.uid, 100)}
mail_max_userip_connections = 200
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%n ${dir}/users
}
userdb {
  driver = passwd-file
  args = username_format=%n ${dir}/users
}
namespace inbox {
  inbox = yes
}
service imap-login {
  # One process for all logins: a fork for each would be most of the cost of a short session.
  service_count = 0
  process_min_avail = 1
  inet_listener imap {
    port = ${config.imapPort}
  }
  inet_listener imaps {
    port = 0
  }
}
service imap {
  process_limit = 256
}
service lmtp {
  process_limit = 128
  inet_listener lmtp {
    port = ${config.lmtpPort}
  }
}
${config.extraConfig}
`;
}

/** The passwd-file: one line a user, all with the same password. Homes are bytes as latin1, and so is what this returns. */
export function formatUsers(options: {
  readonly users: readonly string[];
  readonly password: string;
  readonly ownerOf: (user: string) => UserIds;
  readonly home: (user: string) => string;
}): string {
  const { users, password, ownerOf, home } = options;
  const line = (user: string): string => {
    const { uid, gid } = ownerOf(user);
    return `${user}:{PLAIN}${password}:${uid}:${gid}::${home(user)}::\n`;
  };
  return users.map(line).join("");
}
