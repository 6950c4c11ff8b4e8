/** As much of JSON Schema (draft 2020-12) as the published schema uses: what an editor would underline. */

type Json = Record<string, unknown>

/** The paths at which a value breaks the schema; empty: it is valid. */
export function violations(value: unknown, schema: Json, root: Json = schema, path = ''): string[] {
  if (typeof schema.$ref === 'string') {
    const target = schema.$ref
      .split('/')
      .slice(1)
      .reduce<Json>((at, part) => at[part] as Json, root)
    return violations(value, target, root, path)
  }
  const found = Object.entries(schema).flatMap(([keyword, given]) => check(keyword, given, value, schema, root, path))
  return [...new Set(found)]
}

function check(keyword: string, given: unknown, value: unknown, schema: Json, root: Json, path: string): string[] {
  const broken = (is: boolean): string[] => (is ? [path] : [])
  switch (keyword) {
    case 'type':
      return broken(![given].flat().some((type) => isOf(value, type as string)))
    case 'enum':
      return broken(!(given as unknown[]).includes(value))
    case 'const':
      return broken(value !== given)
    case 'pattern':
      return broken(typeof value === 'string' && !new RegExp(given as string).test(value))
    case 'minimum':
      return broken(typeof value === 'number' && value < (given as number))
    case 'exclusiveMinimum':
      return broken(typeof value === 'number' && value <= (given as number))
    case 'maximum':
      return broken(typeof value === 'number' && value > (given as number))
    case 'not':
      return broken(violations(value, given as Json, root).length === 0)
    case 'anyOf':
      return broken((given as Json[]).every((branch) => violations(value, branch, root).length > 0))
    case 'required':
      return broken(isMap(value) && (given as string[]).some((key) => !(key in value)))
    case 'propertyNames':
      return isMap(value) ? Object.keys(value).flatMap((key) => violations(key, given as Json, root, path)) : []
    case 'items':
      return Array.isArray(value)
        ? value.flatMap((one, at) => violations(one, given as Json, root, `${path}/${at}`))
        : []
    case 'properties':
      return isMap(value)
        ? Object.entries(given as Record<string, Json>).flatMap(([key, inner]) =>
            key in value ? violations(value[key], inner, root, `${path}/${key}`) : [],
          )
        : []
    case 'additionalProperties':
      return isMap(value)
        ? Object.keys(value)
            .filter((key) => !(key in ((schema.properties as Json) ?? {})) && !ofPattern(key, schema))
            .flatMap((key) =>
              given === false
                ? [`${path}/${key}`]
                : given === true
                  ? []
                  : violations(value[key], given as Json, root, `${path}/${key}`),
            )
        : []
    default:
      return []
  }
}

function ofPattern(key: string, { patternProperties = {} }: Json): boolean {
  return Object.keys(patternProperties as Json).some((pattern) => new RegExp(pattern).test(key))
}

function isOf(value: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return isMap(value)
  return type === 'null' ? value === null : typeof value === type
}

function isMap(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
