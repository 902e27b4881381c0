import { fishCompletion } from './fish-completion.js'
import { commandGroups, commands, workingCommands } from './index.js'

export const shells = ['bash', 'zsh', 'fish'] as const

export type Shell = (typeof shells)[number]

export const completionHelp = `dcos-stats completion [bash|zsh|fish]

Prints a script by which a shell completes commands and flags; for that of $SHELL unless one is named.

Examples:
  source <(dcos-stats completion bash)                                     For this bash
  dcos-stats completion bash >> ~/.bashrc                                  For every bash to come
  dcos-stats completion zsh >> ~/.zshrc                                    For every zsh; behind compinit
  dcos-stats completion fish > ~/.config/fish/completions/dcos-stats.fish  For every fish`

/** A script that teaches a shell to complete our commands and flags. */
export function completionScript(shell: Shell): string {
  switch (shell) {
    case 'bash':
      return bashScript
    case 'zsh':
      return zshScript
    case 'fish':
      return fishCompletion({ commands, workingCommands, groups: commandGroups })
  }
}

/** The shell of $SHELL; bash where it is none of ours. */
export function shellOf(path: string | undefined): Shell {
  return shells.find((shell) => path?.endsWith(shell)) ?? 'bash'
}

// Both ask the program, as it was typed; it answers with a line for each word, and what it does behind a tab.
const bashScript = `# dcos-stats: completion for bash. For every shell to come: dcos-stats completion bash >> ~/.bashrc
_dcos_stats() {
  local IFS=$'\\n'
  COMPREPLY=($("$1" completion offers "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o bashdefault -o default -F _dcos_stats dcos-stats
`

const zshScript = `#compdef dcos-stats
# dcos-stats: completion for zsh. For every shell to come: dcos-stats completion zsh >> ~/.zshrc, behind compinit
_dcos_stats() {
  local -a found
  found=("\${(@f)$("\${words[1]}" completion offers "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${found[1]}" ]]; then
    found=("\${(@)found//$'\\t'/:}")
    _describe 'dcos-stats' found
  else
    _default
  fi
}
if [[ "\${zsh_eval_context[-1]}" == loadautofunc ]]; then
  _dcos_stats "$@"
else
  compdef _dcos_stats dcos-stats
fi
`
