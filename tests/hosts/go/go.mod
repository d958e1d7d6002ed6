module example.com/story

go 1.19

require cotas.local/cotas v0.1.0
