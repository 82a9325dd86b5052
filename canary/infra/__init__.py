"""What a stage has in AWS beside its functions: policies, package and templates. It calls no AWS."""
