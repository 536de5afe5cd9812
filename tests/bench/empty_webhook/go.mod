module empty_webhook

go 1.25
