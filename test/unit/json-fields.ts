/** The fields of what a command writes as JSON, as the types of the code have them: nothing is listed by hand. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Field {
  /** "limited[].name" */
  readonly path: string;
  readonly type: "text" | "number" | "boolean" | "list" | "object";
  /** In some of them it is not there. */
  readonly isOptional: boolean;
}

/** `name`: of an interface, or of a function, whose result is meant. */
export interface Source {
  readonly file: string;
  readonly name: string;
}

export function fieldsOf(sources: readonly Source[]): readonly (readonly Field[])[] {
  const files = sources.map(({ file }) => join(ROOT, file));
  const { config } = ts.readConfigFile(join(ROOT, "tsconfig.json"), ts.sys.readFile) as { readonly config: object };
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files }, ts.sys, ROOT);
  const program = ts.createProgram(files, { ...options, noEmit: true });
  const checker = program.getTypeChecker();
  return sources.map((source) => {
    const fields: Field[] = [];
    addFields(checker, { type: typeOf(program, source), above: "" }, fields);
    return fields;
  });
}

function typeOf(program: ts.Program, { file, name }: Source): ts.Type {
  const checker = program.getTypeChecker();
  for (const statement of program.getSourceFile(join(ROOT, file))?.statements ?? []) {
    const isNamed = ts.isInterfaceDeclaration(statement) || ts.isFunctionDeclaration(statement);
    if (!isNamed || statement.name?.text !== name) continue;
    const type = checker.getTypeAtLocation(statement);
    const [call] = ts.isFunctionDeclaration(statement) ? type.getCallSignatures() : [];
    return call === undefined ? type : call.getReturnType();
  }
  throw new Error(`${file} has no ${name}`);
}

interface Place {
  readonly type: ts.Type;
  readonly above: string;
}

/** Of a union, what any of its members has; optional where one has it not. */
function addFields(checker: ts.TypeChecker, { type, above }: Place, fields: Field[]): void {
  const members = type.isUnion() ? type.types : [type];
  const names = new Set(members.flatMap((member) => checker.getPropertiesOfType(member).map((each) => each.name)));
  for (const name of names) {
    const found = members.flatMap((member) => checker.getPropertyOfType(member, name) ?? []);
    const types = found.map((property) => checker.getTypeOfSymbol(property));
    const parts = types.flatMap((each) => (each.isUnion() ? each.types : [each]));
    const present = parts.filter(({ flags }) => (flags & ts.TypeFlags.Undefined) === 0);
    if (present.length === 0) continue; // one that is never there.
    const isEverywhere = found.length === members.length && present.length === parts.length;
    const isOptional = !isEverywhere || found.some(({ flags }) => (flags & ts.SymbolFlags.Optional) !== 0);
    const path = above === "" ? name : `${above}.${name}`;
    fields.push({ path, type: kindOf(checker, present, path), isOptional });
    addBelow(checker, { parts: present, path }, fields);
  }
}

function addBelow(
  checker: ts.TypeChecker,
  { parts, path }: { readonly parts: readonly ts.Type[]; readonly path: string },
  fields: Field[],
): void {
  const lists = parts.filter((part) => isList(checker, part));
  const elements = lists.flatMap((list) => checker.getTypeArguments(list as ts.TypeReference));
  const below = [
    { above: path, types: parts.filter((part) => !lists.includes(part)) },
    { above: `${path}[]`, types: elements.flatMap((each) => (each.isUnion() ? each.types : [each])) },
  ];
  for (const { above, types } of below) {
    const objects = [...new Set(types.filter((part) => isObject(checker, part)))];
    const own: Field[] = [];
    for (const object of objects) addFields(checker, { type: object, above }, own);
    for (const each of own) {
      if (fields.some((field) => field.path === each.path)) continue;
      const same = own.filter((other) => other.path === each.path);
      const isInAll = isBelowMissing(own, each.path) ? true : same.length >= objects.length;
      fields.push({ ...each, isOptional: !isInAll || same.some(({ isOptional }) => isOptional) });
    }
  }
}

/** A field of a field: whether that one is there is said of it alone. */
function isBelowMissing(own: readonly Field[], path: string): boolean {
  return own.some((field) => path.startsWith(`${field.path}.`) || path.startsWith(`${field.path}[`));
}

function kindOf(checker: ts.TypeChecker, parts: readonly ts.Type[], path: string): Field["type"] {
  const kinds = new Set(parts.map((part) => kindOfOne(checker, part, path)));
  const [kind] = kinds;
  if (kind === undefined || kinds.size > 1) throw new Error(`${path} is one of ${[...kinds].join(", ")}`);
  return kind;
}

function kindOfOne(checker: ts.TypeChecker, type: ts.Type, path: string): Field["type"] {
  if (checker.isTypeAssignableTo(type, checker.getStringType())) return "text";
  if (checker.isTypeAssignableTo(type, checker.getNumberType())) return "number";
  if (checker.isTypeAssignableTo(type, checker.getBooleanType())) return "boolean";
  if (isList(checker, type)) return "list";
  if (isObject(checker, type)) return "object";
  throw new Error(`${path}: what is ${checker.typeToString(type)} as JSON?`); // unknown, any, a Record: its fields are not told.
}

function isList(checker: ts.TypeChecker, type: ts.Type): boolean {
  return checker.isArrayType(type) || checker.isTupleType(type);
}

function isObject(checker: ts.TypeChecker, type: ts.Type): boolean {
  const isPlain = (type.flags & ts.TypeFlags.Object) !== 0 && !isList(checker, type);
  return isPlain && checker.getPropertiesOfType(type).length > 0 && type.getStringIndexType() === undefined;
}
