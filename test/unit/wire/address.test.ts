/** Addresses: what is read, what is refused, and that what is written is read again as it was. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { type Address, formatAddress, parseRemotePath, readAddress } from "../../../src/wire/address.js";
import { addressOf } from "./address-of.js";

const INVALID = expect.objectContaining({ code: "address-invalid" });

describe("an address", () => {
  test.each<[string, Address]>([
    ["tls://mail2.example.org", { kind: "tls", host: "mail2.example.org", port: 4417 }],
    ["tls://mail2:993", { kind: "tls", host: "mail2", port: 993 }],
    ["tls://192.0.2.7:1", { kind: "tls", host: "192.0.2.7", port: 1 }],
    ["tls://[2001:db8::1]:65535", { kind: "tls", host: "2001:db8::1", port: 65_535 }],
    ["tls://[fe80::1%eth0]", { kind: "tls", host: "fe80::1%eth0", port: 4417 }],
    ["ssh://mail2", { kind: "ssh", user: undefined, host: "mail2", port: undefined }],
    ["ssh://vmail@my_alias:2222", { kind: "ssh", user: "vmail", host: "my_alias", port: 2222 }],
    ["ssh://v.mail+x@[::1]:22", { kind: "ssh", user: "v.mail+x", host: "::1", port: 22 }],
    ["unix:/run/mailtwin/twin sö.sock", { kind: "unix", path: "/run/mailtwin/twin sö.sock" }],
  ])("%s", (text, address) => {
    expect(addressOf(text)).toStrictEqual(address);
    expect(addressOf(formatAddress(address))).toStrictEqual(address);
  });

  test.each(
    [
      "",
      "mail2",
      "http://mail2",
      "TLS://mail2",
      "tls:mail2",
      "tls://",
      "tls://:4417",
      "tls://-oProxyCommand=x",
      "tls://mail2-",
      "tls://mail2:",
      "tls://mail2:0",
      "tls://mail2:65536",
      "tls://mail2:022",
      "tls://mail2:22x",
      "tls://mail2:1:2",
      "tls://2001:db8::1",
      "tls://[2001:db8::1",
      "tls://[mail2]:1",
      "tls://[]",
      "tls://[::1]x:1",
      "tls://user@mail2",
      "tls://mail2/path",
      "tls://mail2.:1",
      "tls://mail..org",
      "tls://mäil.org",
      "tls://mail2\n:1",
      "tls://mail2\0",
      `tls://${"a".repeat(64)}.org`,
      `tls://${"a.".repeat(130)}org`,
      `tls://${"a".repeat(2000)}`,
      "ssh://-oProxyCommand=$(touch x)",
      "ssh://-l@mail2",
      "ssh://@mail2",
      "ssh://a@b@mail2",
      "ssh://a b@mail2",
      "ssh://`id`@mail2",
      "ssh://$(id)",
      "ssh://user@-oX",
      "ssh://user@",
      "ssh://user@mail2:22:22",
      `ssh://${"u".repeat(65)}@mail2`,
      "unix:",
      "unix:run/x",
      "unix://run/x",
      "unix:/",
      "unix:/run/",
      "unix:/run/../x",
      "unix:/run/./x",
      "unix:/run/x\n",
      "unix:/run/\u0085x",
      "unix:/run/\0x",
      "unix:/run/\ud800",
      `unix:/${"x".repeat(107)}`,
      `unix:/${"ö".repeat(54)}`,
    ].map((text) => [text.slice(0, 60), text] as const),
  )("is refused: %j", (_, text) => {
    expect(readAddress(text)).toMatchObject({ kind: "wrong", advice: expect.stringMatching(/^write "/) });
  });

  test("of a unix socket may be as long as the system allows", () => {
    expect(addressOf(`unix:/${"x".repeat(106)}`)).toMatchObject({ kind: "unix" });
  });

  test.prop([fc.string({ unit: "binary" })])("of whatever text is read back as it was, or refused", (text) => {
    for (const prefix of ["", "tls://", "ssh://", "unix:/"]) {
      const reading = readAddress(prefix + text);
      if (reading.kind === "wrong") continue;
      const address = reading.value;
      expect(addressOf(formatAddress(address))).toStrictEqual(address);
      if (address.kind !== "unix") expect(address.host).toMatch(/^[^-\s]/);
    }
  });

  test.each([
    ["tls://Mail2.Example.ORG:1", "tls://mail2.example.org:1"],
    ["ssh://Vmail@Mail2", "ssh://Vmail@mail2"],
    ["tls://[FE80::1%Eth0]", "tls://[fe80::1%Eth0]:4417"],
  ])("%s is as good as %s", (text, same) => {
    expect(formatAddress(addressOf(text))).toBe(same);
  });
});

describe("a path on another host", () => {
  test.each([
    ["mail2:/var/vmail", { user: undefined, host: "mail2" }, "/var/vmail"],
    ["vmail@mail2:twin", { user: "vmail", host: "mail2" }, "twin"],
    ["vmail@[::1]:/a:b", { user: "vmail", host: "::1" }, "/a:b"],
    ["mail2:with space", { user: undefined, host: "mail2" }, "with space"],
  ])("%s", (text, where, path) => {
    expect(parseRemotePath(text)).toStrictEqual({ address: { kind: "ssh", port: undefined, ...where }, path });
  });

  test.each(["/var/vmail", "relative", "./a:b", "/a:b", "dir/a@b:c", "[::1:path", ""])("is none: %j", (text) => {
    expect(parseRemotePath(text)).toBeUndefined();
  });

  test.each(
    [
      "mail2:",
      ":path",
      "mail2::module",
      "-oX:path",
      "u@-oX:path",
      "-l@mail2:path",
      "@mail2:path",
      "a b:path",
      "mail2:a\nb",
      "mail2:a\0b",
      "[x]:path",
      `mail2:${"x".repeat(4096)}`,
    ].map((text) => [text.slice(0, 60), text] as const),
  )("is refused: %j", (_, text) => {
    expect(() => parseRemotePath(text)).toThrow(INVALID);
  });

  test("is shown in a refusal so that it can be printed", () => {
    expect(() => parseRemotePath("\u001bred:/x")).toThrow(/"\\x1bred:\/x"/);
  });
});
