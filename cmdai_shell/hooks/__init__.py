"""The three shell hooks: rendered for this machine, put into the rc files, taken out again."""
