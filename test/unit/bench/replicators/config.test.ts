/** Peers are configured as their own manuals say, and only the one who replicates is. */
import { expect, test } from "vitest";
import { formatSiteConfig, formatUsers } from "../../../../bench/replicators/dovecot-config.js";
import { formatLsyncdConfig } from "../../../../bench/replicators/lsyncd.js";

test("a site without Dovecot's replication has nothing of it, and no port", () => {
  const text = formatSiteConfig({ dir: "/w/d-1", owner: 12_321 });
  expect(text).toContain("base_dir = /w/d-1/run\n");
  expect(text).toContain("first_valid_uid = 12321\n");
  expect(text.match(/port = .*/g)).toEqual(["port = 0", "port = 0"]);
  expect(text).not.toMatch(/replica|notify|aggregator|doveadm/);
});

test("a site with it names its partner, and listens for it", () => {
  const text = formatSiteConfig({ dir: "/w/d", owner: 1000, replication: { ownPort: 2001, partnerPort: 2002 } });
  expect(text).toContain("mail_plugins = notify replication\n");
  expect(text).toContain("mail_replica = tcp:127.0.0.1:2002\n");
  expect(text).toMatch(/service doveadm \{\n {2}inet_listener \{\n {4}port = 2001\n/);
});

test("the user has the owner's ids and the home", () => {
  expect(formatUsers({ owner: 7, home: "/w/home" })).toBe("user0001:{PLAIN}bench:7:7::/w/home::\n");
});

test("lsyncd deletes, and leaves Dovecot's own files alone", () => {
  const text = formatLsyncdConfig({ source: '/w/a "b"', target: "/w/c", delayS: 0 });
  expect(text).toContain('source = "/w/a \\"b\\"",\n  target = "/w/c",\n  delay = 0,\n  delete = true,\n');
  expect(text).toContain('exclude = { "dovecot.index*", "tmp/", "*.lock" }');
});
