/** Run commands in containers. */
export * as Container from "./Container.ts"
export * as DockerClient from "./DockerClient.ts"
export * as DockerExec from "./DockerExec.ts"
