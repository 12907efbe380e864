"""Whether what is made can go where it must.

In: the results that the rules declare, and what this command asks for (`asked`).
Out: a refusal in one sentence, here, or where jobs are to start (`onstart` in environment.smk).
"""

if workflow.is_main_process:
    of_rules = [file for rule in workflow.rules for file in (*rule.output, *rule.log, rule.benchmark) if file]
    made = [
        str(file)
        for file in of_rules
        if "{" not in str(file) and not getattr(file, "is_directory", False)  # a wildcard's is the name of no file
    ]
    # `make report` asks for a file of a run by an option.
    named = [*asked.targets, *([asked.report] if Path(str(asked.report)).name == "report.html" else [])]
    if sentence := folders.unusable(of_run, made) or folders.of_another_run(of_run, named):
        raise WorkflowError(sentence)
    is_made_anew = asked.forceall or asked.touch or asked.delete_all_output
    if (asked.dryrun or not asks) and not asked.unlock and not is_made_anew:
        kept = [rule for rule in workflow.rules if rule.name not in asked.forcerun]
        if sentence := stale.of_other_settings(kept):
            raise WorkflowError(sentence)
